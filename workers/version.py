"""The version of this code, as it stands in records and heartbeats."""

import os
from importlib.metadata import version
from typing import Final

_SHORT: Final = 12  # characters of a commit, enough to be unique; every inbox row has them
# The image sets REVISION from its build argument; a checkout has only the package's version.
_UNSET: Final = ("", "unknown")


def version_of(revision: str | None) -> str:
    """Return the revision that an image was built from; without one, the package's version."""
    return revision[:_SHORT] if revision and revision not in _UNSET else version("workers")


# In requests to AWS and to others.
USER_AGENT: Final = f"workers/{version('workers')}"
VERSION: Final = version_of(os.environ.get("REVISION"))

# What this version reads in rows and earlier ones do not. Heartbeats name it, so that a command can
# refuse to write such rows while an earlier version runs.
STOCK_BUCKETS: Final = "stock-buckets"
FEATURES: Final = frozenset({STOCK_BUCKETS})
