"""Follows the guides block by block, and checks what each part leaves."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from local.aws.embedded import EmbeddedAws
from local.demo.run import Demo
from local.rehearsal import standins
from local.rehearsal.account import create_administrator
from local.rehearsal.checkout import copy_checkout, set_argument
from local.rehearsal.deployed import Deployed, handled_by
from local.rehearsal.fargate import Fargate
from local.rehearsal.guide import Block, blocks
from local.rehearsal.report import Report
from local.rehearsal.roles import ACCOUNT
from local.rehearsal.shell import CommandFailed, Shell
from workers.topology import Topology

PREFIX: Final = "dev-"
CLUSTER: Final = "dev-order-pipeline"
TASKS: Final = 2  # of payment
SERVICES: Final = frozenset(Topology.load().services)
# What is followed: guide and section.
Section: TypeAlias = tuple[str, str]
_FIRST_ORDER: Final[Section] = ("terraform/README.md", "From nothing to the first order")
_REMOVE: Final[Section] = ("terraform/README.md", "Remove everything")
_PREPARE: Final[Section] = ("docs/DELIVERY.md", "2. Prepare the account, once")
_DEPLOY: Final[Section] = ("docs/DELIVERY.md", "4. Deploy")
_ROLL_BACK: Final[Section] = ("docs/DELIVERY.md", "Roll back")
_ONE_SERVICE: Final[Section] = ("docs/DELIVERY.md", "One service")
_REPLACE_A_TABLE: Final[Section] = ("docs/RESTORE.md", "Replace a table")
SECTIONS: Final = frozenset(
    {_FIRST_ORDER, _REMOVE, _PREPARE, _DEPLOY, _ROLL_BACK, _ONE_SERVICE, _REPLACE_A_TABLE}
)
_VARIABLES: Final = "terraform/environments/dev.tfvars"
_PATIENCE: Final = 60.0  # s until an order is confirmed
_TITLE: Final = 60  # characters
# What a guide shows as an example, and what takes its place here.
_REPLACED: Final = {
    "OWNER@ID/NAME@ID": "example@1001/pipeline@2002",
    "OWNER/NAME": "example/pipeline",
    "ACCOUNT": ACCOUNT,
    "ENV=prod": "ENV=dev",
    "SERVICE=payment TAG=4f1c2d3e5a6b": "SERVICE=payment TAG=$TAG",
    "TAG=4f1c2d3e5a6b": "TAG=$FIRST",
}
_BOOTSTRAP: Final = "terraform -chdir=terraform/bootstrap"
_REPOSITORY: Final = "-var github_repository=example@1001/pipeline@2002"
_NEW_TABLE: Final = re.compile(
    r"aws_dynamodb_table\S+ (?:will be (?:created|destroyed)|must be replaced)"
)
_LOOK: Final = 'curl -fsS $API/orders/$ORDER -H "Authorization: Bearer $TOKEN"'


@dataclass
class Walk:
    """One user on the way through the guides."""

    aws: EmbeddedAws
    fargate: Fargate
    report: Report
    shell: Shell
    tasks: Path  # their logs

    @classmethod
    @contextmanager
    def begin(cls, aws: EmbeddedAws, directory: Path, report: Report) -> Iterator["Walk"]:
        """Prepare what a user has: a checkout with edited variables, programs, an account."""
        administrator = create_administrator(aws, directory)
        copy = copy_checkout(directory)
        shell = Shell.open(copy, administrator.environment, directory / "shell", standins.STAND_INS)
        set_argument(copy / _VARIABLES, "account_id", json.dumps(ACCOUNT))
        set_argument(copy / _VARIABLES, "operators", json.dumps([administrator.arn]))
        with Fargate(aws.url, CLUSTER, directory / "tasks") as fargate:
            yield cls(aws, fargate, report, shell, directory / "tasks")

    def create(self) -> None:
        """Follow the guide until everything is created, and start the tasks as ECS does."""
        for block in self._blocks(_FIRST_ORDER):
            self._follow(block)
            if "make apply" in block.text:
                break
        self._expect_no_drift()
        with self.report.step("start tasks") as results:
            self.fargate.reconcile()
            self.fargate.scale("payment", TASKS)
            results.append(f"{len(self.fargate.tasks)} tasks, {TASKS} of payment")

    def use(self, orders: int) -> None:
        """Place the demo's orders, and check the stores, the tasks and the rights."""
        deployed = Deployed(self.aws, self.fargate, self.tasks, PREFIX)
        payments = self.fargate.of("payment")
        with self.report.step(f"{orders} orders of the demo") as results:
            result = Demo(deployed, orders=orders, seed=1, show=lambda _: None).run()
            states = result.evidence.tables.states
            results += [f"{count} {state}" for state, count in states.items()]
        for check in result.checks:
            detail = f": {check.detail}" if not check.held else ""
            self.report.expect(check.name + detail, held=check.held)
        handled = {task.child.name: handled_by(task) for task in payments}
        shares = ", ".join(f"{name} {count}" for name, count in handled.items())
        self.report.expect(
            f"every task of payment handled messages: {shares}", held=all(handled.values())
        )

    def place_an_order(self) -> None:
        """Follow the rest of the guide: mail, stock, a token, an order."""
        left = iter(self._blocks(_FIRST_ORDER))
        next(block for block in left if "make apply" in block.text)
        for block in left:
            self._follow(block)
        self._expect_a_confirmed_order()
        used = {(each["role"], each["action"]) for each in self.aws.rights()}
        held = (f"{CLUSTER}-operator", "dynamodb:UpdateItem") in used
        self.report.expect("the stock was set by the operator role", held=held)

    def deliver(self) -> None:
        """Follow docs/DELIVERY.md: the next commit, the way back, and one service alone."""
        for block in self._blocks(_PREPARE):
            self._follow(block)
        with self.report.step("bootstrap has its state in the bucket, and no changes"):
            self._run(f"{_BOOTSTRAP} plan -detailed-exitcode {_REPOSITORY}", "bootstrap")
        self._run("FIRST=$TAG; git commit --quiet --allow-empty --message next", "the next commit")
        for section, older in (
            (_DEPLOY, frozenset[str]()),
            (_ROLL_BACK, SERVICES),
            (_ONE_SERVICE, SERVICES - {"payment"}),
        ):
            for block in self._blocks(section):
                self._follow(block)
            self._expect_images(older)
        self._expect_no_drift()

    def restore(self) -> None:
        """Follow docs/RESTORE.md, and place another order."""
        for block in self._blocks(_REPLACE_A_TABLE):
            output = self._follow(block)
            self.fargate.reconcile()
            if "terraform -chdir=terraform import" in block.text:
                tables = _NEW_TABLE.findall(output)
                self.report.expect(f"the plan keeps the tables{tables or ''}", held=not tables)
        [payment, *_] = self.fargate.of("payment")
        table = payment.container.environment["TABLE_NAME"]
        self.report.expect(f"payment uses {table}", held=table == "dev-payment-restored")
        self._expect_no_drift()
        self._follow(self._blocks(_FIRST_ORDER)[-1])
        self._expect_a_confirmed_order()

    def destroy(self) -> None:
        """Stop the tasks, and destroy everything."""
        refused = [each for each in self.aws.rights() if each["verdict"] != "allowed"]
        self.report.expect(f"no role lacked a right{refused or ''}", held=not refused)
        with self.report.step("stop tasks"):
            codes = self.fargate.stop()
        exits = sorted(set(codes.values()))
        self.report.expect(f"every task exited with code 0: {exits}", held=not any(exits))
        for block in self._blocks(_REMOVE):
            self._follow(block)
        left = self.shell.run("terraform -chdir=terraform state list", "state list").split()
        self.report.expect(f"no resource is left{left or ''}", held=not left)

    def _blocks(self, section: Section) -> list[Block]:
        guide, heading = section
        return blocks(self.shell.directory / guide, heading)

    def _follow(self, block: Block) -> str:
        """Run a block of commands, or add a block of Terraform's language to the file it names."""
        text = block.text
        for shown, used in _REPLACED.items():
            text = text.replace(shown, used)
        first, _, rest = text.partition("\n")
        with self.report.step(f"{block.place:<16} {first[:_TITLE]}"):
            if block.language == "sh":
                return self._run(text, block.place)
            file = self.shell.directory / first.removeprefix("# ")
            with file.open("a", encoding="utf-8") as opened:
                opened.write(f"\n{rest}\n")
            return ""

    def _run(self, text: str, place: str) -> str:
        shell = replace(self.shell, environment={**self.shell.environment, **self._endpoints()})
        return shell.run(text, place)

    def _endpoints(self) -> dict[str, str]:
        """Return what the stand-in of curl needs, if the API has a task."""
        tasks = self.fargate.of("order-api")
        if not tasks:
            return {}
        outputs: dict[str, Any] = json.loads(
            self.shell.run("terraform -chdir=terraform output -json", "output")
        )
        tokens = outputs["tokens"]["value"]
        return {
            standins.API: outputs["api_url"]["value"],
            standins.API_TASK: f"http://127.0.0.1:{tasks[0].child.environment['PORT']}",
            standins.CURL: str(shutil.which("curl")),
            standins.POOL: tokens["user_pool_id"],
            standins.TOKEN_URL: tokens["url"],
            standins.TOKENS: json.dumps(
                {
                    client["id"]: self.fargate.token(client["id"], *client["scopes"])
                    for client in tokens["clients"].values()
                }
            ),
        }

    def _expect_no_drift(self) -> None:
        found = ""
        with self.report.step("make drift"):
            try:
                self._run("make drift ENV=dev", "drift")
            except CommandFailed as differs:
                found = f": {differs}"
        self.report.expect(f"make drift finds nothing{found}", held=not found)

    def _expect_images(self, older: AbstractSet[str]) -> None:
        """Expect that these services should run the first image, and all others the second."""
        output = self._run("terraform -chdir=terraform output -json images", "images")
        images: dict[str, str] = json.loads(output)
        first = self._run("make -s image TAG=$FIRST", "the first image")
        found = {name for name, image in images.items() if image in first}
        self.report.expect(f"run the first image: {sorted(found)}", held=found == older)

    def _expect_a_confirmed_order(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        order = self._run(_LOOK, "the order")
        while '"confirmed"' not in order and time.monotonic() < deadline:
            order = self._run(_LOOK, "the order")
        self.report.expect("the order is confirmed", held='"confirmed"' in order)
