"""The configuration of a run, and the environment that its processes get."""

import os
from dataclasses import dataclass
from pathlib import Path

from bench.lineup import Peer

ROOT = Path(__file__).parents[1]
# The variables in which SDKs for Python and for Node look for certificate authorities.
_AUTHORITIES = ("AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


@dataclass(frozen=True)
class Staging:
    """The configuration of a run."""

    peer: Peer
    concurrency: int
    visibility_timeout: int  # s
    faults: dict[str, float]
    replicas: int
    trace: Path | None
    log: Path
    tls: bool = False

    @property
    def certificate(self) -> Path:
        """The certificate of the stand-in, if clients use TLS."""
        return self.log.with_suffix(".pem")


def environment_of(staging: Staging, endpoint: str) -> dict[str, str]:
    """Return an environment in which AWS clients use only the stand-in."""
    url = f"{endpoint}/000000000000/{staging.peer.queue}"
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "BENCH_"))}
    return mine | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(ROOT / "bench" / "peers"),
        "BENCH_QUEUE": staging.peer.queue,
        "BENCH_QUEUE_URL": url,
        "BENCH_CONCURRENCY": str(staging.concurrency),
        "BENCH_VISIBILITY_TIMEOUT": str(staging.visibility_timeout),
        **({name: str(staging.certificate) for name in _AUTHORITIES} if staging.tls else {}),
        **({"BENCH_TRACE": str(staging.trace)} if staging.trace else {}),
        **{name: text.format(url=url) for name, text in staging.peer.environment.items()},
    }
