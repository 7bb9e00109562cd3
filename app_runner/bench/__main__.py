"""The command `python -m app_runner.bench`: measures and prints the table."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from app_runner.launch.supervisor import LaunchError

from . import redis_space
from .http_load import BadAnswer
from .measures import TaskFailed
from .plan import MEASURES, ON_REQUEST
from .processes import StartFailed
from .redis_space import NoRedis
from .report import Row, as_json, machine, table
from .scene import FULL, QUICK, Effort, Scene

FAILURES = (BadAnswer, LaunchError, NoRedis, StartFailed, TaskFailed, OSError)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m app_runner.bench",
        description="Measure the runner against a bare Flask and Celery application.",
    )
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument(
        "--only", action="append", choices=sorted(MEASURES), help="may be repeated"
    )
    parser.add_argument("--rounds", type=int, help="turns that each side takes")
    parser.add_argument("--megabytes", type=int, help="size of a file that is moved")
    parser.add_argument("--redis", metavar="URL", help="redis://host:port, no database")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write all figures"
    )
    return parser.parse_args(argv)


def effort_of(options: argparse.Namespace) -> Effort:
    """Give how much to measure."""
    effort = QUICK if options.quick else FULL
    given = {"rounds": options.rounds, "megabytes": options.megabytes}
    return replace(effort, **{name: value for name, value in given.items() if value})


def measured(scene: Scene, names: Sequence[str]) -> list[Row]:
    """Run the named measures; say on stderr what is being done."""
    rows: list[Row] = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows.extend(MEASURES[name](scene))
    return rows


def usual() -> list[str]:
    """Give the measures that are taken unless others are asked for."""
    return [name for name in MEASURES if name not in ON_REQUEST]


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Do on SIGTERM what Ctrl-C does, so that all that was started is ended."""
    raise KeyboardInterrupt


def bench(options: argparse.Namespace) -> int:
    """Measure, print and write; give 0 when all targets hold, 1 when one does not."""
    begin = time.perf_counter()
    with Scene(effort_of(options), options.redis) as scene:
        facts = machine(redis_space.kind(scene.redis))
        rows = measured(scene, options.only or usual())
    facts["seconds"] = round(time.perf_counter() - begin)
    print("\n" + table(rows) + "\n")
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    if options.json:
        options.json.write_text(as_json(rows, facts) + "\n", encoding="utf-8")
    return int(any(row.holds is False for row in rows))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; 130 when it was interrupted, 2 when it could not measure."""
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return bench(arguments(argv))
    except KeyboardInterrupt:
        return 130
    except FAILURES as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
