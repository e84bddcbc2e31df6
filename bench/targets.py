"""The targets for the figures of this project's runtime."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.figures import Figures


@dataclass(frozen=True)
class Target:
    """A bound on one figure of one peer: a number, or a figure of the same run.

    Figures are compared as they were measured; ``places`` is only for the text.
    """

    peer: str
    figure: str
    bound: float | str  # a number; "figure" of the same peer; or "figure of peer"
    at_least: bool = False
    places: int = 2
    share: float = 1.0  # of the bound, if that is a figure

    @property
    def sign(self) -> str:
        """The comparison with the bound."""
        return ">=" if self.at_least else "<="

    def __str__(self) -> str:
        """Return what is asked for, without figures of a run."""
        return f"{self.peer} {self.figure} {self.sign} {self.told_bound()}"

    def told_bound(self) -> str:
        """Return the bound in words: a number, or whose figure it is."""
        share = "" if self.share == 1.0 else f"{self.share:g} x "
        return f"{share}{self.bound}"

    def judge(self, results: Mapping[str, Figures]) -> "Verdict | None":
        """Compare the figure with the bound. Returns None if either is missing."""
        figure = results.get(self.peer, {}).get(self.figure)
        bound = self._bound(results)
        if figure is None or bound is None:
            return None
        met = figure >= bound if self.at_least else figure <= bound
        return Verdict(self, figure, bound, met)

    def _bound(self, results: Mapping[str, Figures]) -> float | None:
        if isinstance(self.bound, float | int):
            return float(self.bound)
        figure, _, peer = self.bound.partition(" of ")
        found = results.get(peer or self.peer, {}).get(figure)
        return None if found is None else self.share * found


@dataclass(frozen=True)
class Verdict:
    """A target and the measured figure."""

    target: Target
    figure: float
    bound: float
    met: bool

    def __str__(self) -> str:
        """Return the verdict as one line."""
        target, places = self.target, self._places()
        word = "met" if self.met else "MISSED"
        return (
            f"{word}: {target.peer} {target.figure} {self.figure:.{places}f} "
            f"{target.sign} {self.bound:.{places}f}{self._origin()}"
        )

    def _places(self) -> int:
        """Return the decimal places, more if a missed bound would look reached."""
        places = self.target.places
        while not self.met and f"{self.figure:.{places}f}" == f"{self.bound:.{places}f}":
            places += 1
        return places

    def _origin(self) -> str:
        if not isinstance(self.target.bound, str):
            return ""
        return f" ({self.target.told_bound()})"


TARGETS: dict[str, tuple[Target, ...]] = {
    "noop": (
        Target("ours", "requests", 205, places=0),
        Target("ours", "ratio", 0.8),
        Target("ours", "wire", 2.0),
        Target("ours", "cpu", "cpu of sqs-consumer", places=3),
    ),
    "runtimes": (),  # noop has those of an empty handler
    "tls": (Target("ours", "ratio", 1.3), Target("ours", "wire", 2.0)),
    "sleep50": (
        Target("ours", "utilisation", 0.97, at_least=True),
        Target("ours", "requests", 215, places=0),
    ),
    "heavy": (Target("ours", "utilisation", 0.88, at_least=True, places=3),),
    "groups": (
        Target("ours-fifo", "rate", "rate of ours", at_least=True, places=0, share=0.8),
        Target("ours-fifo", "duplicates", 0, places=0),
    ),
    "slow": (
        Target("ours", "duplicates", 0, places=0),
        Target("ours", "renewals", "renewals needed", places=0, share=1.1),
    ),
    "steady": (
        Target("ours", "requests", 230, places=0),
        Target("ours", "latency p50", 100, places=0),
    ),
    "onepersecond": (
        Target("ours", "start p50", 15 + 5, places=1),  # one request (15 ms) plus 5 ms
        Target("ours", "start p99", 15 + 20, places=1),
    ),
    "errors": (
        Target("ours", "lost", 0, places=0),
        Target("ours", "rush", 50, places=0),  # fruitless requests in one second
    ),
    "idle": (
        # Polls of 20 s; the minute may cut four. A service also has a heartbeat: a write and a read
        # every ten seconds, 12 a minute.
        Target("ours", "idle requests", 4, places=0),
        Target("ours-service", "idle requests", 16, places=0),
        Target("ours-service", "idle cpu", 0.02, places=3),
    ),
    "start": (Target("ours-service", "start cpu", 0.6),),
    "memory": (Target("ours-service", "proportional", 76, places=0),),
    "payment": (
        Target("ours-payment", "dynamodb", 1.01),
        Target("ours-payment", "sqs", 0.22, places=2),
        Target("ours-payment", "sns", 0.16, places=3),
        Target("ours-payment", "cpu", 1.2),
    ),
    "order": (Target("ours-shop", "cpu", 35.0, places=1),),
    "api": (
        Target("ours-api", "rate", "rate of api-boto3", at_least=True, places=0, share=2.0),
        # What order-api leaves to the relay costs it nothing, so the rate counts only with this.
        Target(
            "ours-api", "published", "published of api-boto3", at_least=True, places=0, share=0.99
        ),
    ),
}
