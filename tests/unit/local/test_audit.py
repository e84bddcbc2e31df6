"""`make audit` finds what it is for, and says what it could not examine."""

import shutil
import subprocess

import pytest

from local.audit import contents, pins, secrets, vulnerabilities
from local.audit.report import Report, lines, passed

HASH = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize(
    "requirement",
    [
        f"boto3>=1.40 {HASH}",
        f"boto3==1.* {HASH}",
        f"boto3 {HASH}",
        f"boto3==1.40,!=2 {HASH}",
        "boto3==1.40.1",
        "boto3==1.40.1 --hash=md5:" + "0" * 32,
        f"boto3 @ https://example.com/boto3.whl {HASH}",
        "-e .",
        "--index-url https://example.com/simple",
    ],
)
def test_a_requirement_that_can_change_is_found(requirement):
    text = f"anyio==4.0.0 \\\n    {HASH}\n{requirement}\n"

    (found,) = pins.unpinned("requirements/runtime.txt", text)

    assert found.startswith("requirements/runtime.txt: ")
    assert list(pins.unpinned("x", f"colorama==0.4.6 ; sys_platform == 'win32' {HASH}\n")) == []


@pytest.mark.parametrize(
    "command", ["pip install uv", "pip install --no-deps .", "pip install -r requirements/x.txt"]
)
def test_an_install_in_the_image_without_hashes_is_found(command):
    (found,) = pins.unhashed_installs(f"RUN {command} \\\n    && true\n")

    assert "add --require-hashes" in found


def test_every_pin_and_every_install_of_this_checkout_is_exact():
    report = pins.examine()

    assert report.findings == []
    assert " 0 packages" not in report.examined


# --- vulnerabilities: documents as pip-audit writes them ------------------------

CLEAN = {"name": "anyio", "version": "4.0", "vulns": []}
VULNERABLE = {
    "name": "django",
    "version": "1.2",
    "vulns": [{"id": "PYSEC-2011-1", "fix_versions": ["1.2.5"], "aliases": [], "description": ""}],
}
UNFIXED = VULNERABLE | {"vulns": [VULNERABLE["vulns"][0] | {"fix_versions": []}]}
UNKNOWN = {"name": "anyio", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def document(*packages):
    return {"dependencies": list(packages), "fixes": []}


def test_a_known_vulnerability_is_found():
    report = vulnerabilities.judge([document(CLEAN, VULNERABLE), document(UNFIXED)])

    assert report.findings == ["django 1.2: PYSEC-2011-1; fixed in nothing"]
    assert not passed([report], required=False)


@pytest.mark.parametrize(
    "control", [None, document(UNKNOWN), document(CLEAN)], ids=["silent", "mirror", "empty"]
)
def test_a_service_that_does_not_know_a_vulnerable_release_is_no_service(control):
    assert not vulnerabilities.answers(control)
    assert vulnerabilities.answers(document(VULNERABLE))


@pytest.mark.parametrize(
    "asked", [[document(CLEAN), None], [document(CLEAN, UNKNOWN | {"name": "x"})]]
)
def test_a_package_without_an_answer_is_never_called_checked(asked):
    report = vulnerabilities.judge(asked)

    assert report.not_checked != []
    assert all(line.startswith("NOT CHECKED") for line in lines([report]))


def test_without_a_service_the_audit_says_so_and_fails_where_it_is_required(monkeypatch):
    monkeypatch.setattr(vulnerabilities, "_ask", lambda *_: document(UNKNOWN))

    report = vulnerabilities.examine()

    assert lines([report]) == ["NOT CHECKED  vulnerabilities: no vulnerability service answers"]
    assert passed([report], required=False)
    assert not passed([report], required=True)


# --- licences ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("AGPL-3.0-or-later", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("Some licence of our own", False),
        ("", False),
    ],
)
def test_a_licence_is_allowed_if_allowed_ones_alone_meet_it(expression, allowed):
    assert contents.allowed(expression) is allowed


@pytest.mark.parametrize(
    "licenses", [[], [{"license": {"id": "GPL-3.0-only"}}], [{"license": {"name": "License :: X"}}]]
)
def test_a_package_under_other_terms_is_found(licenses):
    component = {"name": "thing", "version": "1", "licenses": licenses}

    (found,) = contents.unlicensed({"components": [component]})

    assert found.startswith("thing 1: licence ")


def test_the_list_of_contents_has_exactly_the_packages_of_the_image():
    listed = contents.listed()
    names = {each["name"] for each in listed["components"]}

    assert contents.missing(contents.ROOT, listed) == []
    assert contents.unlicensed(listed) == []
    assert {"boto3", "uvicorn"} <= names
    assert names.isdisjoint({"moto", "pytest", "pip-audit"})
    refs = {each["bom-ref"] for each in listed["components"]}
    assert {other for each in listed["dependencies"] for other in each["dependsOn"]} <= refs


def test_a_package_that_differs_from_the_lock_is_found():
    listed = contents.listed()
    listed["components"] = [each for each in listed["components"] if each["name"] != "boto3"]

    (found,) = contents.missing(contents.ROOT, listed)

    assert "boto3 is not installed" in found


# --- secrets -------------------------------------------------------------------------

# In two parts, so that the scan of this checkout does not find it.
KEY_ID = "Z7Q2M4X9T1B8R6W3"
ENTRY = {"type": "Secret Keyword", "hashed_secret": "abc", "line_number": 3}


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"a.py": [ENTRY]},  # nobody has looked at it
        {"a.py": [ENTRY | {"is_secret": True}]},
        {"b.py": [ENTRY | {"is_secret": False}]},
        {"a.py": [ENTRY | {"is_secret": False, "hashed_secret": "test"}]},
    ],
)
def test_a_secret_that_nobody_has_cleared_is_found(known):
    (found,) = secrets.judge({"a.py": [ENTRY]}, known, count=1).findings

    assert found.startswith("a.py:3: Secret Keyword")


def test_a_value_that_is_no_secret_may_move_within_its_file():
    known = {"a.py": [ENTRY | {"is_secret": False, "line_number": 99}]}

    assert secrets.judge({"a.py": [ENTRY]}, known, count=1).findings == []


def test_a_planted_key_is_found_by_the_scanner(tmp_path, git_checkout):
    root = git_checkout(tmp_path)
    planted = "AKIA" + KEY_ID
    (root / "settings.py").write_text(f'KEY = "{planted}"\n', "utf-8")

    (found,) = secrets.examine(root).findings

    assert found.startswith("settings.py:1: AWS Access Key")


@pytest.fixture
def git_checkout():
    def made(folder):
        shutil.copy(secrets.ROOT / secrets.BASELINE, folder)
        subprocess.run(["git", "init", "-q", folder], check=True)  # noqa: S603, S607
        return folder

    return made


def test_a_report_without_findings_is_one_line():
    assert lines([Report("pins: 3 packages")]) == ["ok           pins: 3 packages"]
