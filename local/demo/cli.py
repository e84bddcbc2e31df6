"""Runs ``workers demo`` and ``workers local``. Both functions return an exit code."""

import signal
import sys
import threading
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console

from local.aws.embedded import EmbeddedAwsError
from local.child import NotReady
from local.control import listening
from local.demo.run import Demo, DemoError
from local.demo.view import print_summary, showing, summary
from local.issuer import DevelopmentIssuer
from local.lock import Taken, exclusive
from local.manage import actions
from local.system import System
from workers.ops.stock import set_stock
from workers.provision.provision import ProvisionError
from workers.samples import PRICES, REORDER_THRESHOLD

RUN_DIRECTORY: Final = Path(".workers")  # logs of the last run, in the current directory
LOCK: Final = RUN_DIRECTORY / "local.lock"
SOCKET: Final = RUN_DIRECTORY / "local.sock"  # relative, because the path of a socket is short
STOCK: Final = 1_000  # units of each item for ``workers local``


def run_demo(*, orders: int, seed: int, as_json: bool) -> int:
    """Run the demo. Returns 0 if every check passed."""
    console = Console(stderr=as_json)
    try:
        with System(RUN_DIRECTORY / "demo") as system, showing(console) as show:
            result = Demo(system, orders=orders, seed=seed, show=show).run()
    except (DemoError, EmbeddedAwsError, NotReady, ProvisionError) as error:
        console.print(f"workers: {error}", style="red", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 75
    if as_json:
        document = orjson.dumps(summary(result), option=orjson.OPT_INDENT_2, default=str)
        sys.stdout.buffer.write(document + b"\n")
    else:
        print_summary(console, result)
    return 0 if result.held else 1


def run_local(*, port: int, endpoint_port: int, auth: bool = False) -> int:
    """Run the system until Ctrl-C or SIGTERM. With ``auth``, order-api asks for tokens."""
    console = Console(highlight=False)
    forever = threading.Event()
    console.print("Starting ...")
    issuer = DevelopmentIssuer() if auth else None
    system = System(
        RUN_DIRECTORY / "local",
        issuer=issuer,
        port=port,
        endpoint_port=endpoint_port,
        tell=lambda line: console.print(line, soft_wrap=True),
    )
    try:
        # The lock comes first: starting deletes the logs of the last run.
        with exclusive(LOCK), system, listening(SOCKET, actions(system)):
            for sku in PRICES:
                set_stock(
                    system.clients.dynamodb(),
                    "inventory",
                    sku,
                    available=STOCK,
                    reorder_threshold=REORDER_THRESHOLD,
                )
            console.print(_welcome(system, issuer), soft_wrap=True)
            for number in (
                signal.SIGINT,
                signal.SIGTERM,
            ):  # a shell's "&" makes the process ignore SIGINT
                signal.signal(number, _interrupt)
            forever.wait()
    except Taken as taken:
        console.print(f"workers: {taken}; see `workers local status`", style="red", soft_wrap=True)
        return 1
    except (EmbeddedAwsError, NotReady, ProvisionError, OSError) as error:
        console.print(f"workers: {error}", style="red", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
    return 0


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _welcome(system: System, issuer: DevelopmentIssuer | None) -> str:
    sku, price = next(iter(PRICES.items()))
    header = ' -H "Authorization: Bearer $TOKEN"' if issuer else ""
    return f"""\
order-api  {system.api_url}  (API reference: {system.api_url}/docs)
AWS        {system.aws.url}  (any credentials, region {system.settings.aws_region})
logs       {system.directory.resolve()}

{_tokens(issuer) if issuer else ""}Place an order:
  curl -s {system.api_url}/orders{header} -H 'content-type: application/json' -d '
    {{"customerEmail": "customer@example.com", "currency": "EUR",
     "items": [{{"sku": "{sku}", "quantity": 1, "price": {price}}}]}}'

Use the AWS CLI, boto3 or this command with it:
  export AWS_ENDPOINT_URL={system.aws.url} AWS_REGION={system.settings.aws_region} \\
    AWS_DEFAULT_REGION={system.settings.aws_region} AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
  aws sqs list-queues
  workers queues

In another terminal:
  workers local status
  workers local restart payment --env ALLOW_SIMULATION=false

Press Ctrl-C to stop."""


def _tokens(issuer: DevelopmentIssuer) -> str:
    """Return the tokens of a shop and of its back office."""
    shop = issuer.token("shop", "orders:write", "orders:read")
    office = issuer.token("back-office", "orders:operate")
    return f"""\
Tokens for an hour, of a shop (places, reads and cancels its own orders) and of a back office:
  export TOKEN={shop}
  export TOKEN={office}

"""
