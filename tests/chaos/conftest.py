"""Rigs of one service each, stopped after the test."""

import pytest
from chaos.rig import Rig


@pytest.fixture
def rig(aws, tmp_path):
    rigs = []

    def build(services, mutant):
        rigs.append(Rig(aws, tmp_path, *services, mutant=mutant))
        return rigs[-1]

    yield build
    for each in rigs:
        each.close()
