"""The events of this version are recorded in ``contracts/``, each as it is in the code."""

from house.rules import ROOT
from workers.envelope import VERSION
from workers.ops.contracts.released import FOLDER
from workers.ops.schema import contract


def test_the_contract_of_this_version_is_recorded():
    file = ROOT / FOLDER / f"{VERSION}.json"
    recorded = file.read_text("utf-8") if file.exists() else ""

    assert recorded == contract().text(), "run make release-contract and commit contracts/"
