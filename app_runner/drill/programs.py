"""The programs of an installation under drill: started, killed, frozen, started again."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from app_runner.bench.processes import children, resident_bytes
from app_runner.launch.children import Child, Service, Watchdog
from app_runner.launch.ending import born, end_family, family, send

POLL = 0.05


class NotInTime(Exception):
    """Something did not come true within its time; the text says what."""


def wait_until(
    there: Callable[[], object], seconds: float, what: str, every: float = POLL
) -> float:
    """Ask until the answer is true; give the seconds, or raise `NotInTime`."""
    begin = time.monotonic()
    while not there():
        if time.monotonic() > begin + seconds:
            raise NotInTime(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)
    return time.monotonic() - begin


class Program:
    """One service, whose output goes to a file; it may be started again and again."""

    def __init__(self, service: Service, folder: Path, watchdog: Watchdog) -> None:
        """Take what to run, where its log lies, and who ends it if the drill dies."""
        self.service = service
        self.log = folder / f"{service.name}.log"
        self._watchdog = watchdog
        self._child: Child | None = None
        self._begin = 0

    @property
    def name(self) -> str:
        """Give the name of the service."""
        return self.service.name

    @property
    def pid(self) -> int:
        """Give the process id, 0 when it does not run."""
        return self._child.pid if self._child and self.is_alive else 0

    @property
    def is_alive(self) -> bool:
        """Tell whether it runs (or is frozen)."""
        return self._child is not None and not self._child.has_ended()

    def start(self) -> None:
        """Start it; its output is appended to the log."""
        self._bury()
        self._begin = self.log.stat().st_size if self.log.exists() else 0
        self._child = Child(self.service, self._watchdog.pipe)
        threading.Thread(
            target=self._keep_output, args=(self._child,), daemon=True
        ).start()

    def _keep_output(self, child: Child) -> None:
        with self.log.open("ab", buffering=0) as log:
            for line in child.output:
                log.write(line)

    def printed(self) -> str:
        """Give what it has printed since it was started last."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")

    def children(self) -> list[int]:
        """Give the process ids of its direct children."""
        return children(self.pid) if self.is_alive else []

    def family(self) -> list[int]:
        """Give the process ids of it and all that it has started."""
        return list(family(self.pid)) if self.is_alive else []

    def kill(self) -> None:
        """End it with SIGKILL; what it has started must find out by itself."""
        if self._child is not None:
            send(signal.SIGKILL, self._child.pid)
            wait_until(self._child.has_ended, 10, f"the end of {self.name}")

    def terminate(self, grace: float) -> bool:
        """Ask it to end and kill it after ``grace`` s; tell whether it went by itself."""
        if self._child is None:
            return True
        leader = self._child.leader._replace(grace=grace)
        return end_family(leader)

    def freeze(self) -> list[int]:
        """Stop it and all that it has started; give these."""
        frozen = self.family()
        for pid in frozen:
            send(signal.SIGSTOP, pid)
        return frozen

    def _bury(self) -> None:
        if self._child is not None:
            self._child.exit_code()
            self._watchdog.forget(self._child.pid)


def thaw(pids: Iterable[int]) -> None:
    """Let stopped processes go on."""
    for pid in pids:
        send(signal.SIGCONT, pid)


def alive(pids: Iterable[int]) -> list[int]:
    """Give those processes that still live."""
    return [pid for pid in pids if born(pid)]


class Keeper:
    """Starts programs again half a second after they died, as a machine would."""

    def __init__(self, programs: list[Program], told: Callable[[str], None]) -> None:
        """Take the programs (the list may grow) and whom to tell of deaths."""
        self._programs = programs
        self._told = told
        self._ends = threading.Event()
        self._at_rest: set[str] = set()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Keep them running from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Start nothing any more."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def leave(self, program: Program) -> None:
        """Let a program be dead."""
        self._at_rest.add(program.name)

    def resume(self, program: Program) -> None:
        """Start a program and keep it running again."""
        if not program.is_alive:
            program.start()
        self._at_rest.discard(program.name)

    def _keep(self) -> None:
        while not self._ends.wait(0.5):
            for program in list(self._programs):
                name = program.name
                if name not in self._at_rest and not program.is_alive:
                    self._told(name)
                    program.start()


def resident(pids: Iterable[int]) -> int:
    """Give the resident bytes of some processes together."""
    return sum(map(resident_bytes, pids))


def descriptors(pids: Iterable[int]) -> int:
    """Give how many files some processes hold open together."""
    count = 0
    for pid in pids:
        try:
            count += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        except OSError:
            continue
    return count
