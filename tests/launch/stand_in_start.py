"""A supervisor with stand-in services, stopping in a phase; run as a script only.

Usage: stand_in_start.py FOLDER PHASE [SERVICE:TRAIT ...]
Phases: first (one service runs), once (a command runs), waiting (for readiness), serving,
watching (the files below FOLDER/sources, for server and worker).
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

# The package without its `__init__`, which imports the whole runner: that takes a second,
# and the supervisor needs nothing of it.
found = importlib.util.find_spec("app_runner")
package = ModuleType("app_runner")
package.__path__ = list(found.submodule_search_locations or ()) if found else []
sys.modules["app_runner"] = package

from app_runner.launch.children import Patience, Service  # noqa: E402
from app_runner.launch.output import Console  # noqa: E402
from app_runner.launch.source_watch import restart_on_change  # noqa: E402
from app_runner.launch.supervisor import Supervisor, exit_code  # noqa: E402

CHILD = str(Path(__file__).with_name("stand_in_child.py"))
folder, phase, *extra = sys.argv[1:]
traits = [pair.split(":") for pair in extra]
console = Console(sys.stdout)


def service(name: str, order: int) -> Service:
    """Give a stand-in."""
    mine = [trait for owner, trait in traits if owner == name]
    command = (sys.executable, CHILD, folder, name, *mine)
    return Service(name, command, "stand-in", order, grace=1.0, hurries=name != "broker")


def body() -> None:
    """Go through the phases as a real start does."""
    patience = lambda: Patience((0.05, 0.1), window=60)  # noqa: E731
    with Supervisor(console, patience=patience) as supervisor:
        supervisor.spawn(service("broker", 3))
        if phase == "first":
            supervisor.wait_until(lambda: False, 60, lambda: "never")
        if phase == "once":
            supervisor.run_once(service("migration", 2), 60)
        for order, name in enumerate(("scheduler", "server", "worker")):
            supervisor.spawn(service(name, order))
        if phase == "waiting":
            supervisor.wait_until(lambda: False, 60, lambda: "never")
        if phase == "late":
            supervisor.wait_until(lambda: False, 0.2, lambda: "last answer: 503")
        console.say(f"ready, watchdog {supervisor.watchdog.pid}")
        sources = [Path(folder) / "sources"]
        restart = restart_on_change(supervisor, ("server", "worker"), sources, 0.05)
        supervisor.watch(restart if phase == "watching" else lambda: None)


sys.exit(exit_code(console, body))
