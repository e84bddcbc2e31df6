"""Creates an environment per peer on demand, in a cache outside the checkout."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bench.lineup import Peer

HOME = Path(os.environ.get("BENCH_HOME") or "~/.cache/workers-bench").expanduser()
STANDIN_PACKAGES = ("uvloop==0.23.0", "orjson==3.13.0")
_PEERS = Path(__file__).parent / "peers"
_PATIENCE = 600.0  # s for one installation
_failed: dict[Path, "NotInstalled"] = {}  # what this process need not try again


class NotInstalled(Exception):
    """An environment cannot be created; the message says why."""


@cache
def standin_python() -> str:
    """Return the interpreter for the stand-in. Without a network it runs without uvloop."""
    try:
        return python("standin", STANDIN_PACKAGES)
    except NotInstalled:
        return sys.executable


def command(peer: Peer) -> list[str]:
    """Return the command of a peer; create its environment if needed. Raises ``NotInstalled``."""
    if peer.node:
        return [_which("node"), str(_node_folder(peer) / "run.js")]
    interpreter = python(peer.folder, peer.packages) if peer.packages else sys.executable
    if peer.module:
        return [interpreter, "-m", *peer.module.split()]
    return [interpreter, str(_PEERS / peer.folder / "run.py"), *peer.arguments]


def prepare(peers: Iterable[Peer], tell: Callable[[str], None]) -> None:
    """Create the environments of peers before anything is measured; ``tell`` gets the failures.

    A peer that cannot be installed fails again, at once, when it is to run.
    """
    standin_python()
    for peer in peers:
        try:
            command(peer)
        except (NotInstalled, OSError) as error:
            tell(f"{peer.name}: not installed: {error}")


def python(name: str, packages: tuple[str, ...]) -> str:
    """Return an interpreter with these packages, installed if needed. Raises ``NotInstalled``."""
    folder = _folder(name, sys.version, *packages)
    interpreter = folder / "bin" / "python"
    with _missing(folder) as missing:
        if not missing:
            return str(interpreter)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *packages])
    return str(interpreter)


def _node_folder(peer: Peer) -> Path:
    """Copy the program and install the packages that its package.json pins."""
    source = _PEERS / peer.folder
    folder = _folder(peer.folder, *(path.read_text("utf-8") for path in sorted(source.iterdir())))
    with _missing(folder) as missing:
        if not missing:
            return folder
        shutil.copytree(source, folder, dirs_exist_ok=True)
        quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
        _run([_which("npm"), "install", *quiet, "--prefix", str(folder)])
    return folder


def _folder(name: str, *contents: str) -> Path:
    """Return the folder of an environment; it depends on the name and all contents."""
    digest = hashlib.sha256("\n".join(contents).encode()).hexdigest()[:12]
    return HOME / "environments" / f"{name}-{digest}"


@contextmanager
def _missing(folder: Path) -> Iterator[bool]:
    """Yield whether the block must create the environment. Only one process enters at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    ready = folder.with_suffix(".ready")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder in _failed:
            raise NotInstalled(str(_failed[folder]))
        try:
            yield not ready.exists()
        except NotInstalled as error:
            _failed[folder] = error
            raise
        ready.touch()


def _which(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise NotInstalled(f"{program} is not on the PATH")
    return found


def _run(arguments: list[str]) -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(  # noqa: S603 - pip or npm with pinned packages
            arguments, capture_output=True, text=True, timeout=_PATIENCE, check=False, cwd=HOME
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"the installation took longer than {_PATIENCE:.0f} s") from None
    if done.returncode:
        complaint = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise NotInstalled(
            " ".join(complaint) or f"{arguments[0]} exited with code {done.returncode}"
        )
