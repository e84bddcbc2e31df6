"""Which tests pytest-xdist gives to one process: each alone, but those of infra together."""

from xdist.scheduler import LoadScopeScheduling

_INFRA = "tests/infra/"
_STATIC = "tests/infra/test_static.py"


class Dealing(LoadScopeScheduling):
    """Deals out the largest scope first, so the apply of infra starts at once.

    pytest-xdist 3.8 has groups of its own, but finds none of them with pytest 9.2.
    """

    def _split_scope(self, nodeid):
        """Give the scope of a test: tests of one scope run in one process, in their order."""
        if nodeid.startswith(_STATIC):
            return _STATIC
        return _INFRA if nodeid.startswith(_INFRA) else nodeid
