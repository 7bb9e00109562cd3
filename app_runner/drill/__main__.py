"""The command `python -m app_runner.drill`: runs the drill and prints the summary."""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import FrameType

from app_runner.launch.supervisor import LaunchError

from . import deaths, outages, soak, wishes
from .checker import messages_left, unfinished
from .installation import UP, Installation, Place
from .programs import NotInTime, wait_until
from .scene import FULL, ORPHAN, SHORT, Drill, Effort, Exercise, Result, judged

EXERCISES: dict[str, Exercise] = {
    "kills": deaths.kills,
    "points": deaths.crash_points,
    "self-ending": deaths.self_ending,
    "sigterm": deaths.terminated,
    "frozen": deaths.frozen,
    "broker-away": outages.broker_away,
    "broker-frozen": outages.broker_frozen,
    "database-away": outages.database_away,
    "flush": outages.flushed,
    "visibility": outages.visibility,
    "cancel": wishes.cancelled,
    "webhooks": wishes.webhooks,
}
SOAK = {"soak": soak.soak}
SOAK_SECONDS = 30 * 60
#: Tasks before anything dies: the first requests of a server take their time.
WARM_UP = 20
FAILURES = (NotInTime, OSError, LaunchError, RuntimeError, TimeoutError)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m app_runner.drill",
        description="Kill what a runner consists of, and check that no task suffers.",
    )
    parser.add_argument("--short", action="store_true", help="less of everything")
    parser.add_argument("--soak", action="store_true", help="30 minutes of load instead")
    parser.add_argument("--seed", type=int, help="the chance of an earlier run")
    parser.add_argument("--seeds", type=int, help="deaths at each crash point")
    parser.add_argument(
        "--only", action="append", choices=list(EXERCISES), help="may be repeated"
    )
    parser.add_argument("--broker", metavar="URL", help="Redis or RabbitMQ to use")
    parser.add_argument("--database", metavar="URL", help="server for a new database")
    parser.add_argument("--seconds", type=float, help="length of the soak")
    parser.add_argument("--keep", action="store_true", help="keep logs when all is well")
    return parser.parse_args(argv)


def effort_of(options: argparse.Namespace) -> Effort:
    """Give how much to try."""
    effort = SHORT if options.short else FULL
    if options.seeds:
        effort = replace(effort, seeds=options.seeds)
    return replace(effort, soak=options.seconds or SOAK_SECONDS)


def exercises(options: argparse.Namespace) -> dict[str, Exercise]:
    """Give what to do, in order; the short drill does at once what can be."""
    if options.soak:
        return dict(SOAK)
    chosen = {name: EXERCISES[name] for name in options.only or EXERCISES}
    if options.short and "points" in chosen:
        chosen["points"] = deaths.crash_points_at_once
    if options.short and {"visibility", "webhooks"} <= chosen.keys():
        chosen["visibility"] = at_once(chosen["visibility"], chosen.pop("webhooks"))
    return chosen


def at_once(*exercises: Exercise) -> Exercise:
    """Make one exercise of several that mostly wait, and leave each other alone."""

    def run(drill: Drill) -> Iterator[Result]:
        with ThreadPoolExecutor() as pool:
            for job in [pool.submit(list, one(drill)) for one in exercises]:
                yield from job.result()

    run.__doc__ = "\n".join(one.__doc__ or "" for one in exercises)
    return run


def performed(name: str, exercise: Exercise, drill: Drill) -> Iterator[Result]:
    """Run one exercise, telling what is done; what breaks it off is a result too."""
    for sentence in (exercise.__doc__ or "").splitlines():
        say(f"{name}: {sentence}")
    begin = time.monotonic()
    drill.log.add("exercise", name=name)
    try:
        for result in exercise(drill):
            timed = replace(result, seconds=time.monotonic() - begin)
            say(f"  {line(timed)}")
            drill.log.add("result", name=result.name, holds=result.holds)
            yield timed
            begin = time.monotonic()
    except FAILURES as error:
        result = Result(name, False, f"broken off: {error}", time.monotonic() - begin)
        say(f"  {line(result)}")
        yield result


def whole(drill: Drill) -> Iterator[Result]:
    """Look at all tasks once more: what has ended stays as it was."""
    tasks = list(drill.accepted.values())
    wrong = drill.settle(tasks, 10)
    engine = drill.installation.engine
    others = unfinished(engine) - drill.accepted.keys()
    wrong += [f"task {id_}, which no client knows of, has not ended" for id_ in others]
    try:  # striking out comes a moment after the end
        wait_until(lambda: not messages_left(engine), ORPHAN, "an empty journal", 0.5)
    except NotInTime:
        wrong += messages_left(engine)
    yield judged("all tasks, once more", wrong, f"{len(tasks)} accepted, 0 lost")


def line(result: Result) -> str:
    """Write a result on one line."""
    verdict = {True: "holds", False: "DOES NOT HOLD", None: "left out"}[result.holds]
    return f"{verdict}: {result.name} ({result.seconds:.0f} s): {result.detail}"


def table(results: Sequence[Result]) -> str:
    """Give the results as a Markdown table."""
    words = {True: "yes", False: "**NO**", None: "left out"}
    cells = [
        (one.name, words[one.holds], one.detail.replace("|", "/"), f"{one.seconds:.0f}")
        for one in results
    ]
    rows = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join(["| test | holds | seen | s |", "|---|---|---|---|", *rows])


def drill(options: argparse.Namespace, folder: Path) -> int:
    """Run everything; 0 when all holds, 1 when something does not."""
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    place, begin = Place(options.broker, options.database), time.monotonic()
    say(f"seed {seed}; {place}; logs in {folder}")
    results: list[Result] = []
    with Installation(folder, place) as installation:
        scene = Drill(installation, effort_of(options), seed)
        scene.settle(scene.clients.submit_many([0.0] * WARM_UP, chains=True), UP)
        for name, exercise in exercises(options).items():
            results += performed(name, exercise, scene)
        results += performed("at the end", whole, scene)
    seconds = time.monotonic() - begin
    print("\n" + table(results) + "\n")
    print(f"seed {seed}; {place}; {len(scene.accepted)} tasks; {seconds:.0f} s")
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}")
    return int(any(result.holds is False for result in results))


def say(text: str) -> None:
    """Show what goes on."""
    print(text, file=sys.stderr, flush=True)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Do on SIGTERM what Ctrl-C does, so that all that was started is ended."""
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the drill; 130 when it was interrupted, 2 when nothing could be started."""
    signal.signal(signal.SIGTERM, interrupt)
    options = arguments(argv)
    folder = Path(tempfile.mkdtemp(prefix="app-runner-drill-"))
    code = 2
    try:
        code = drill(options, folder)
    except KeyboardInterrupt:
        code = 130
    except FAILURES as error:
        say(f"drill: {error}")
    if code == 0 and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        say(f"The event log and the logs of all programs are in {folder}")
    return code


if __name__ == "__main__":
    sys.exit(main())
