"""Shows and restarts the processes of a running system: the actions behind ``local.control``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from local.child import Child, NotReady
from local.control import Action, Refused
from local.system import System


@dataclass(frozen=True)
class ProcessStatus:
    """One process of the system."""

    process: str
    pid: int
    state: str  # ready, not ready, restarting
    restarts: int
    exits: str  # exit codes so far, oldest first; "-" if none
    url: str  # of /livez, /readyz, /metrics
    log: str


def actions(system: System) -> Mapping[str, Action]:
    """Return the actions on a running system, by name."""

    def status() -> dict[str, Any]:
        processes = [asdict(_status(system, child)) for child in system.processes.children]
        return {
            "api": system.api_url,
            "reference": f"{system.api_url}/docs",
            "aws": system.aws.url,
            "region": system.settings.aws_region,
            "logs": str(system.directory.resolve()),
            "processes": processes,
        }

    def restart(service: str, environment: dict[str, str]) -> dict[str, int]:
        if service not in system.topology.services:
            known = ", ".join(system.topology.services)
            raise Refused(f"no service {service!r}. Services: {known}")
        try:
            return system.processes.restart(service, environment)
        except (LookupError, NotReady) as error:
            raise Refused(str(error)) from error

    return {"status": status, "restart": restart}


def _status(system: System, child: Child) -> ProcessStatus:
    codes = [str(code) for name, code in system.processes.exits if name == child.name]
    running = child.exit_code is None
    ready = running and child.is_ready()
    return ProcessStatus(
        process=child.name,
        pid=child.pid,
        state="ready" if ready else "not ready" if running else "restarting",
        restarts=child.restarts,
        exits=", ".join(codes) or "-",
        url=f"http://127.0.0.1:{child.port}",
        log=str(child.log),
    )
