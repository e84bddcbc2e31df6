"""Lists what the image installs (CycloneDX), and checks the licence of each package.

The list is made from the packages in this environment that ``requirements/runtime.txt`` names: the
same versions, as their hashes say. The workflow lists the contents of the built image besides.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from license_expression import (  # type: ignore[import-untyped]
    ExpressionError,
    get_spdx_licensing,
)
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.audit.pins import pinned
from local.audit.report import ROOT, Report

SBOM: Final = ".workers/sbom.cdx.json"
_SPDX: Final = get_spdx_licensing()

# They let everyone use, change and sell what contains the package, without publishing our source.
# MPL-2.0 asks for the source of changes to its own files, and we make none.
ALLOWED: Final = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
    }
)
_CLASSIFIERS: Final = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# Read in the package, because its metadata names none.
_READ: Final = {"protobuf": "BSD-3-Clause"}


def examine(root: Path = ROOT) -> Report:
    """Write the list of contents, and examine the licences."""
    document = listed(root)
    target = root / SBOM
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", "utf-8")
    found = [*missing(root, document), *unlicensed(document)]
    count = len(document["components"])
    return Report(f"licences: {count} packages of the image ({SBOM})", found)


def listed(root: Path = ROOT) -> dict[str, Any]:
    """Return the CycloneDX document of the packages that the image installs."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"),
            *("--pyproject", str(root / "pyproject.toml"), sys.executable),
        ],
        capture_output=True,
        check=True,
        timeout=120,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    names = pinned((root / "requirements" / "runtime.txt").read_text("utf-8"))
    document["components"] = [
        each for each in document["components"] if canonicalize_name(each["name"]) in names
    ]
    kept = {each["bom-ref"] for each in document["components"]}
    main = document["metadata"]["component"]["bom-ref"]
    document["dependencies"] = [
        each | {"dependsOn": [other for other in each.get("dependsOn", []) if other in kept]}
        for each in document["dependencies"]
        if each["ref"] in kept | {main}
    ]
    return document


def missing(root: Path, document: dict[str, Any]) -> list[str]:
    """Find packages of the image that the document lacks, or has in another version."""
    text = (root / "requirements" / "runtime.txt").read_text("utf-8").replace("\\\n", " ")
    wanted = [Requirement(re.split(r"\s+--hash", line)[0]) for line in text.splitlines() if line]
    here = {canonicalize_name(each["name"]): each["version"] for each in document["components"]}
    environment = {key: str(value) for key, value in default_environment().items()}
    return [
        f"{SBOM}: {each.name} is {here.get(canonicalize_name(each.name), 'not installed')},"
        f" not {each.specifier}: run make clean check"
        for each in wanted
        if (each.marker is None or each.marker.evaluate(environment))
        and not each.specifier.contains(here.get(canonicalize_name(each.name), "0"))
    ]


def unlicensed(document: dict[str, Any]) -> list[str]:
    """Find packages with a licence that is not allowed, or that is not known."""
    found = []
    for each in document["components"]:
        name = canonicalize_name(each["name"])
        terms = _terms(each.get("licenses", [])) or [_READ.get(name, "")]
        if any(not allowed(term) for term in terms):
            found.append(f"{name} {each['version']}: licence {' and '.join(terms) or 'unknown'}")
    return found


def allowed(expression: str) -> bool:
    """Tell whether a licence expression of SPDX can be met with allowed licences alone."""
    try:
        parsed = _SPDX.parse(expression, validate=True)
    except ExpressionError:
        return False
    if parsed is None:
        return False
    known = {
        # An exception (GPL WITH ...) has no key, and stays unknown.
        each: _SPDX.TRUE if getattr(each, "key", "") in ALLOWED else _SPDX.FALSE
        for each in parsed.symbols
    }
    return bool(parsed.subs(known, simplify=True) == _SPDX.TRUE)


def _terms(licenses: list[dict[str, Any]]) -> list[str]:
    """Return the licences of a component as SPDX writes them; classifiers repeat the others."""
    exact, classifiers = [], []
    for each in licenses:
        if "expression" in each:
            exact.append(each["expression"])
        elif "id" in each["license"]:
            exact.append(each["license"]["id"])
        else:
            name = each["license"]["name"]
            classifiers.append(_CLASSIFIERS.get(name, name))
    return exact or classifiers
