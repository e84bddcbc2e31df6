"""Creates the resources of the shop on the stand-in: ``python -m bench.resources``.

They are those that the provisioner of this project creates on an emulator.
"""

from concurrent.futures import ThreadPoolExecutor

from bench.load import ITEMS, sku
from workers.aws.clients import Clients
from workers.ops.stock import set_stock
from workers.provision.provision import provision
from workers.settings import Settings
from workers.topology import Topology

UNITS = 1_000_000  # of each item
_AT_ONCE = 8  # requests

if __name__ == "__main__":
    settings, topology = Settings.load(), Topology.load()
    provision(settings, topology)
    dynamodb = Clients.connect(settings, threads=_AT_ONCE).dynamodb()

    def stock(number: int) -> None:
        set_stock(dynamodb, "inventory", sku(number), available=UNITS, reorder_threshold=0)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(stock, range(ITEMS)))
