"""Starts child processes, streams their output, restarts them, ends them in order.

It knows nothing of servers, workers or brokers: what to run comes as `Service` rows.
All waiting happens in `pump`, so output never stands still and a signal is seen in time.
"""

from __future__ import annotations

import selectors
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from app_runner.babel import gettext as _
from app_runner.errors import RunnerError
from app_runner.launch.children import Child, Patience, Service, Watchdog
from app_runner.launch.ending import end_family
from app_runner.launch.output import Console, LineReader

TICK = 0.1  # seconds in which a signal or a death is noticed
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LaunchError(RunnerError):
    """Something cannot be started or kept running; the text says what to do."""


class Interrupted(Exception):
    """Somebody asked the supervisor to end, by a signal or by closing its output."""


class Supervisor:
    """A context: what was started inside has ended when it is left, in whatever way."""

    def __init__(
        self,
        console: Console | None = None,
        keep: tuple[int, ...] = (),
        patience: Callable[[], Patience] = Patience,
    ) -> None:
        """``keep``: descriptors that the watchdog holds until all has ended (a lock)."""
        self.console = console or Console(sys.stdout)
        self.children: dict[str, Child] = {}
        self.on_change: Callable[[], None] = lambda: None  # children came or went
        self._keep = keep
        self._patience = patience
        self._patiences: dict[str, Patience] = {}
        self._due: dict[str, tuple[float, Service]] = {}
        self._selector = selectors.DefaultSelector()
        self._readers: dict[int, LineReader] = {}
        self._asked = 0

    def __enter__(self) -> Self:
        """Take over the signals and start the watchdog, before there is any child."""
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        self.watchdog = Watchdog(self._keep)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all children in order, then the watchdog; give the signals back."""
        try:
            self._end_all()
        finally:
            self.watchdog.close()
            self._selector.close()
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1

    def spawn(self, service: Service) -> Child:
        """Start a service."""
        child = Child(service, self.watchdog.pipe)
        self.children[service.name] = child
        reader = LineReader(
            child.output, lambda line: self.console.child_line(service.name, line)
        )
        self._readers[child.pid] = reader
        self._selector.register(child.output, selectors.EVENT_READ, reader)
        self.on_change()
        return child

    def run_once(self, service: Service, seconds: float) -> None:
        """Run a command to its end; `LaunchError` when it fails or takes too long."""
        child = self.spawn(service)
        name = service.name
        deadline = time.monotonic() + seconds
        while not child.has_ended():
            if time.monotonic() > deadline:
                text = _(
                    "%(name)s did not end within %(time)d s.", name=name, time=seconds
                )
                raise LaunchError(text)
            self._turn()
        self._bury(child)
        if code := child.exit_code():
            raise LaunchError(_("%(name)s failed: %(how)s.", name=name, how=_how(code)))

    def wait_until(
        self, there: Callable[[], bool], seconds: float, missing: Callable[[], str]
    ) -> None:
        """Wait for what was started; `LaunchError` when a child dies or time is over."""
        deadline = time.monotonic() + seconds
        while not there():
            for child in self.children.values():
                if child.has_ended():
                    self._readers[child.pid].drain()
                    name, how = child.service.name, _how(child.exit_code())
                    text = _(
                        "%(name)s ended while starting: %(how)s.", name=name, how=how
                    )
                    raise LaunchError(text)
            if time.monotonic() > deadline:
                raise LaunchError(missing())
            self._turn()

    def watch(self, tick: Callable[[], None] = lambda: None) -> None:
        """Keep everything running until somebody asks to end: `Interrupted`."""
        while True:
            for child in list(self.children.values()):
                if child.has_ended():
                    self._died(child)
            self._restart_due()
            tick()
            self._turn()

    def restart(self, name: str) -> None:
        """End a service and start it again, because something it has read changed."""
        if child := self.children.get(name):
            self._end(child, self._asked + 1)  # the first Ctrl-C waits for it
            self.spawn(child.service)

    def pump(self, seconds: float) -> None:
        """Wait up to this long, passing on what the children print."""
        for key, _mask in self._selector.select(seconds):
            reader: LineReader = key.data
            reader.read()
            if reader.ended:
                self._selector.unregister(key.fileobj)

    def _turn(self) -> None:
        if self._asked or self.console.broken:
            raise Interrupted
        if self.watchdog.revive([child.leader for child in self.children.values()]):
            self.console.say(_("The watchdog was killed; it runs again."))
            self.on_change()
        self.pump(TICK)

    def _died(self, child: Child) -> None:
        """Tell of a death nobody asked for, and plan what to do about it."""
        name, pid, how = child.service.name, child.pid, _how(child.exit_code())
        self._bury(child)
        text = _("%(name)s (pid %(pid)d) has died: %(how)s.", name=name, pid=pid, how=how)
        self.console.say(text)
        now = time.monotonic()
        delay = self._patiences.setdefault(name, self._patience()).delay(now)
        if delay is None:
            text = _("%(name)s keeps dying, so everything stops.", name=name)
            raise LaunchError(text)
        text = _("%(name)s is started again in %(time).1f s.", name=name, time=delay)
        self.console.say(text)
        self._due[name] = (now + delay, child.service)

    def _restart_due(self) -> None:
        for name, (when, service) in list(self._due.items()):
            if time.monotonic() >= when:
                del self._due[name]
                pid = self.spawn(service).pid
                text = _("%(name)s runs again (pid %(pid)d).", name=name, pid=pid)
                self.console.say(text)

    def _bury(self, child: Child) -> None:
        """Pass on a dead child's last words and end what it has left behind."""
        end_family(child.leader, wait=self.pump)
        child.exit_code()
        reader = self._readers.pop(child.pid)
        reader.drain()
        if child.output in self._selector.get_map():
            self._selector.unregister(child.output)
        child.output.close()
        self.watchdog.forget(child.pid)
        self.children.pop(child.service.name, None)
        self.on_change()

    def _end(self, child: Child, asked_before: int) -> None:
        """End a child; signals beyond those counted before make it hurry."""

        def hurried() -> bool:
            return child.service.hurries and self._asked > asked_before

        if not end_family(child.leader, wait=self.pump, hurried=hurried):
            name, pid = child.service.name, child.pid
            text = _(
                "%(name)s (pid %(pid)d) did not end and was killed.", name=name, pid=pid
            )
            self.console.say(text)
        self._bury(child)

    def _end_all(self) -> None:
        asked = self._asked
        if asked and self.children:
            self.console.say(_("Ending everything in order; once more to hurry."))
        for child in sorted(self.children.values(), key=_order):
            self._end(child, asked)


def exit_code(console: Console, body: Callable[[], None]) -> int:
    """Run ``body``, tell a known error in one line, give the exit code for the shell."""
    try:
        body()
    except Interrupted:
        return 0
    except RunnerError as error:
        console.say(str(error))
        return 1
    return 0


def _order(child: Child) -> int:
    return child.service.order


def _how(code: int) -> str:
    if code >= 0:
        return str(_("exit code %(code)d", code=code))
    return str(_("killed by %(name)s", name=signal.Signals(-code).name))
