"""The workflows call make targets that exist, pinned actions and no stored key."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.yml"))}
SELF = "$/.github/workflows/"
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
PINNED_LINE = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+(\.\d+)*\n")
IDENTITY = {"contents": "read", "id-token": "write"}


def jobs():
    for name, text in WORKFLOWS.items():
        for job, content in yaml.safe_load(text)["jobs"].items():
            yield f"{name}: {job}", content


def steps():
    for job, content in jobs():
        yield from ((job, step) for step in content.get("steps", []))


def used():
    for _, step in steps():
        if "uses" in step:
            yield step["uses"]
    for _, content in jobs():
        if "uses" in content:
            yield content["uses"]


def make_commands():
    return sorted({step["run"] for _, step in steps() if "run" in step})


def expanded(command):
    """Replace the matrix's variable by each of its values."""
    check = yaml.safe_load(WORKFLOWS["check.yml"])["jobs"]["check"]
    targets = [each["target"] for each in check["strategy"]["matrix"]["include"]]
    if "$TARGET" not in command:
        return [command]
    return [command.replace('"$TARGET"', each) for each in targets]


@pytest.mark.parametrize("command", [each for run in make_commands() for each in expanded(run)])
def test_every_command_is_a_make_target_of_this_checkout(command):
    make, target, *_ = command.split()

    done = subprocess.run(  # noqa: S603 - the workflows' own commands, not executed
        [shutil.which(make), "--dry-run", target], cwd=ROOT, capture_output=True, check=False
    )

    assert make == "make"
    assert done.returncode == 0, done.stderr


def test_every_action_is_pinned_by_commit_and_names_its_version():
    foreign = [each for each in used() if not each.startswith(SELF)]

    assert [each for each in foreign if not PINNED.fullmatch(each)] == []
    assert len(foreign) == sum(len(PINNED_LINE.findall(text)) for text in WORKFLOWS.values())


def test_every_workflow_of_our_own_that_is_called_exists():
    called = {each.removeprefix(SELF) for each in used() if each.startswith(SELF)}

    assert called == {"check.yml", "deploy.yml"}
    assert called <= WORKFLOWS.keys()


def test_no_workflow_reads_a_stored_secret():
    assert [name for name, text in WORKFLOWS.items() if re.search(r"\bsecrets\b", text)] == []


def test_a_job_has_credentials_of_aws_only_in_an_environment_that_a_role_trusts():
    roles = {"build", "plan", "${{ inputs.environment }}"}

    with_credentials = {
        job: content
        for job, content in jobs()
        if any(
            "configure-aws-credentials" in step.get("uses", "") for step in content.get("steps", [])
        )
    }

    assert {content["environment"] for content in with_credentials.values()} == roles
    for content in with_credentials.values():
        assert content["permissions"].items() >= IDENTITY.items()


def test_every_environment_gets_the_digest_that_was_built_once():
    delivery = dict(yaml.safe_load(WORKFLOWS["deliver.yml"])["jobs"])
    digest = "${{ needs.image.outputs.digest }}"

    deployed = {job: content["with"] for job, content in delivery.items() if "with" in content}

    assert deployed == {
        name: {"environment": name, "tag": digest} for name in ("dev", "staging", "prod")
    }
    assert [job for job, content in delivery.items() if "dev" in content.get("needs", [])] == [
        "staging"
    ]
    assert "staging" in delivery["prod"]["needs"]


def test_the_image_is_signed_after_its_scan():
    image = yaml.safe_load(WORKFLOWS["deliver.yml"])["jobs"]["image"]["steps"]
    order = [step.get("run") or step["uses"].partition("@")[0] for step in image]

    assert order.index("make image") < order.index("anchore/sbom-action")
    assert order.index("anchore/scan-action") < order.index("make sign")


def test_a_release_is_built_on_a_base_image_by_digest():
    image = yaml.safe_load(WORKFLOWS["deliver.yml"])["jobs"]["image"]["steps"]
    order = [step.get("run") for step in image]

    assert order.index("make audit-base") < order.index("make image")


def test_the_audit_runs_on_every_change_and_may_leave_nothing_out():
    check = yaml.safe_load(WORKFLOWS["check.yml"])["jobs"]["check"]

    assert {"target": "audit"} in check["strategy"]["matrix"]["include"]
    assert check["env"]["AUDIT"] == "required"


def test_the_update_bot_keeps_everything_that_is_pinned():
    renovate = json.loads((ROOT / ".github" / "renovate.json").read_text("utf-8"))
    [custom] = renovate["customManagers"]
    [files] = renovate["pip_requirements"]["managerFilePatterns"]

    assert {"docker:pinDigests", "helpers:pinGitHubActionDigests"} <= set(renovate["extends"])
    assert "enabledManagers" not in renovate  # Dockerfile, compose, actions, Terraform: by default
    for path in ROOT.glob("requirements/*"):
        assert re.fullmatch(files.strip("/"), str(path.relative_to(ROOT)))
    # Its regular expressions are JavaScript's.
    [pattern] = [each.replace("(?<", "(?P<") for each in custom["matchStrings"]]
    for file in ("docker-compose.yml", ".env.example"):
        found = re.search(pattern, (ROOT / file).read_text("utf-8"))
        assert found["depName"] == "python"
        assert any(re.search(each.strip("/"), file) for each in custom["managerFilePatterns"])


def test_make_check_runs_both_checkers_of_workflows():
    check = subprocess.run(
        ["make", "--dry-run", "check"],  # noqa: S607 - wherever it is installed
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "--builtin-schema vendor.github-workflows" in check
    assert "zizmor --offline" in check
