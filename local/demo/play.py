"""``workers demo`` and ``workers local``: what they do and print. Each returns an exit code."""

import signal
import sys
import threading
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console

from local.aws.embedded import EmbeddedAwsError
from local.child import NotReady
from local.demo.run import Demo, DemoError
from local.demo.view import print_summary, showing, summary
from local.system import System
from workers.ops.stock import set_stock
from workers.provision.provision import ProvisionError
from workers.samples import PRICES, REORDER_THRESHOLD

RUN_DIRECTORY: Final = Path(".workers")  # logs of the last run, in the current directory
PIECES: Final = 1_000  # of every article, to play with


def play_demo(*, orders: int, seed: int, as_json: bool) -> int:
    """Run the demo; 0 if every expectation held."""
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


def play_local(*, port: int, endpoint_port: int) -> int:
    """Keep everything up until Ctrl-C or SIGTERM."""
    console = Console(highlight=False)
    leaving = threading.Event()
    console.print("starting ...")
    try:
        with System(RUN_DIRECTORY / "local", port=port, endpoint_port=endpoint_port) as system:
            for sku in PRICES:
                set_stock(
                    system.clients.dynamodb(),
                    "inventory",
                    sku,
                    available=PIECES,
                    reorder_threshold=REORDER_THRESHOLD,
                )
            console.print(_welcome(system), soft_wrap=True)
            for number in (signal.SIGINT, signal.SIGTERM):  # a shell's "&" has SIGINT ignored
                signal.signal(number, _interrupt)
            leaving.wait()
    except (EmbeddedAwsError, NotReady, ProvisionError, OSError) as error:
        console.print(f"workers: {error}", style="red", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("drained")
    return 0


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _welcome(system: System) -> str:
    sku, price = next(iter(PRICES.items()))
    return f"""\
order-api  {system.api_url}  (try {system.api_url}/docs)
AWS        {system.aws.url}  (any credentials, region {system.settings.aws_region})
logs       {system.directory.resolve()}

Place an order:
  curl -s {system.api_url}/orders -H 'content-type: application/json' -d '
    {{"customerEmail": "ada@example.com", "currency": "EUR",
     "items": [{{"sku": "{sku}", "quantity": 1, "price": {price}}}]}}'

Point the AWS CLI, or this command, at it:
  export AWS_ENDPOINT_URL={system.aws.url} AWS_REGION={system.settings.aws_region} \\
    AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
  aws sqs list-queues
  workers queues

Ctrl-C drains and ends it."""
