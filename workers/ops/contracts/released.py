"""Reads the contracts that were released, from files or from a commit, and records new ones.

``contracts/`` in the repository has a file per version. Released events cannot be called back, so
the file of a version changes only in its words; ``record`` refuses anything else.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from workers.ops.contracts.contract import Contract, ContractError
from workers.ops.contracts.diff import Change, changes

# Days from an announcement to a removal: for so long, SQS keeps a dead letter that can be redriven.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
NOTICE: Final = 14
FOLDER: Final = "contracts"
EXPORTED: Final = "contract.json"  # in a folder of ``workers schema export``
_RELEASED: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}\.json")
_GIT_TIMEOUT: Final = 30  # s


def released(against: str) -> list[Contract]:
    """Read what was released: a file, a folder, or ``contracts/`` at a tag or commit of git.

    A file or folder goes before a tag of the same name. Raises ``ContractError``.
    """
    path = Path(against)
    if path.is_dir():
        texts = list(_of_folder(path))
    elif path.exists():
        texts = [(str(path), _read(path))]
    else:
        texts = list(_of_commit(against))
    if not texts:
        raise ContractError(f"{against}: no contract, such as 1.1.json or {EXPORTED}")
    return [Contract.parse(text, place) for place, text in texts]


def record(folder: Path, contract: Contract, *, today: date) -> Path:
    """Write the contract of a version into a folder of released ones; return the file.

    Raises ``ContractError`` if it breaks a promise, or if its version has other fields already.
    """
    before = released(str(folder)) if any(_of_folder(folder)) else []
    found = changes(before, contract, today=today) if before else []
    for change in found:
        if change.what.announces:
            _need_notice(change, contract, today)
    if broken := [change for change in found if change.what.breaking]:
        raise ContractError(
            f"not recorded, {len(broken)} breaking: see workers schema diff --against {folder}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{contract.version}.json"
    file.write_text(contract.text(), "utf-8")
    return file


def _need_notice(change: Change, contract: Contract, today: date) -> None:
    """Raise ``ContractError`` if a removal is announced too late, or in another version's name."""
    announced, place = change.what.announces, f"{change.event} {change.field}".rstrip()
    if announced is None:
        return
    if announced.since != contract.version:
        raise ContractError(f"{place}: deprecated since {announced.since}, not {contract.version}")
    if (announced.removed_not_before - today).days < NOTICE:
        first = today + timedelta(days=NOTICE)
        raise ContractError(f"{place}: announce the removal for {first} or later")


def _of_folder(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.json")):
        if path.name == EXPORTED or _RELEASED.fullmatch(path.name):
            yield str(path), _read(path)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"{path}: {error}") from error


def _of_commit(ref: str) -> Iterator[tuple[str, str]]:
    wanted = "name a file or a folder with exported contracts"
    git = shutil.which("git")
    if git is None:
        raise ContractError(f"{ref}: no such file or folder, and git is not installed; {wanted}")
    commit = _run(git, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if not commit:
        raise ContractError(f"{ref}: no such file or folder, nor a tag or commit here; {wanted}")
    for name in _run(git, "ls-tree", "--full-tree", "--name-only", f"{commit}:{FOLDER}").split():
        if _RELEASED.fullmatch(name):
            yield f"{ref}:{FOLDER}/{name}", _run(git, "show", f"{commit}:{FOLDER}/{name}")


def _run(git: str, *arguments: str) -> str:
    """Run git; return what it prints, without its end, or nothing if it fails."""
    done = subprocess.run(  # noqa: S603 - no shell, and --end-of-options guards the only foreign word
        [git, *arguments], capture_output=True, check=False, text=True, timeout=_GIT_TIMEOUT
    )
    return done.stdout.strip() if done.returncode == 0 else ""
