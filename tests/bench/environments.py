"""Environments made on demand: one per peer, in a cache outside the checkout."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.lineup import Peer

HOME = Path(os.environ.get("BENCH_HOME") or "~/.cache/workers-bench").expanduser()
STANDIN_PACKAGES = ("uvloop==0.23.0", "orjson==3.13.0")
_PEERS = Path(__file__).parent / "peers"
_PATIENCE = 600.0  # s for one installation
_LAST = 3  # lines of an installer's complaint


class NotInstalled(Exception):
    """An environment cannot be made; the text says why."""


def standin_python() -> str:
    """Find the interpreter of the stand-in, with its event loop."""
    return _python("standin", STANDIN_PACKAGES)


def command(peer: Peer) -> list[str]:
    """Say how to start a peer; make its environment if need be. Raises ``NotInstalled``."""
    if peer.node:
        return [_which("node"), str(_node_folder(peer) / "run.js")]
    python = _python(peer.folder, peer.packages) if peer.packages else sys.executable
    if peer.module:
        return [python, "-m", *peer.module.split()]
    return [python, str(_PEERS / peer.folder / "run.py")]


def _python(name: str, packages: tuple[str, ...]) -> str:
    folder = _folder(name, sys.version, *packages)
    python = folder / "bin" / "python"
    if not _is_ready(folder):
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *packages])
        _set_ready(folder)
    return str(python)


def _node_folder(peer: Peer) -> Path:
    """Copy the program and install what its package.json pins."""
    source = _PEERS / peer.folder
    folder = _folder(peer.folder, *(path.read_text("utf-8") for path in sorted(source.iterdir())))
    if not _is_ready(folder):
        shutil.copytree(source, folder, dirs_exist_ok=True)
        quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        _run([_which("npm"), "install", *quiet, "--prefix", str(folder)])
        _set_ready(folder)
    return folder


def _folder(name: str, *contents: str) -> Path:
    """Give the folder of an environment with these contents: other contents, another folder."""
    digest = hashlib.sha256("\n".join(contents).encode()).hexdigest()[:12]
    return HOME / "environments" / f"{name}-{digest}"


def _is_ready(folder: Path) -> bool:
    return (folder / ".ready").exists()


def _set_ready(folder: Path) -> None:
    (folder / ".ready").touch()


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
        raise NotInstalled(f"no installation within {_PATIENCE:.0f} s") from None
    if done.returncode:
        complaint = (done.stderr or done.stdout).strip().splitlines()[-_LAST:]
        raise NotInstalled(" ".join(complaint) or f"{arguments[0]} exited {done.returncode}")
