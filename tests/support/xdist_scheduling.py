"""Distributes tests over processes: each on its own, but those that share a system together."""

from xdist.scheduler import LoadScopeScheduling

_INFRA = "tests/infra/"
_STATIC = "tests/infra/test_static.py"
_TRACES = "tests/process/test_traces.py"  # they share one running system


class LargestScopeFirst(LoadScopeScheduling):
    """Assigns the largest scope first, so that the apply of infra starts at once.

    pytest-xdist 3.8 has groups, but ignores them with pytest 9.2.
    """

    def _split_scope(self, nodeid):
        """Return the scope of a test. Tests of one scope run in one process, in order."""
        for together in (_STATIC, _TRACES):
            if nodeid.startswith(together):
                return together
        return _INFRA if nodeid.startswith(_INFRA) else nodeid
