"""The plugin of the drill: tasks of a given length that may end themselves."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Literal

from app_runner.plugin_api import Plugin, Task

VERSION = "1.0.0"

plugin = Plugin("drill", VERSION, title="Drill")


@plugin.processor()
def work(
    task: Task,
    number: int = 0,
    seconds: float = 0.0,
    ending: Literal["well", "killed", "exits", "quits"] = "well",
) -> str:
    """Work for some seconds, save the number, and end as it is said."""
    note("begun", task, number)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        task.progress(seconds - left, seconds)
        time.sleep(min(left, 0.2))
    if ending == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif ending == "exits":
        os._exit(3)
    elif ending == "quits":
        raise SystemExit(3)
    task.save("number.txt", str(number))
    note("worked", task, number)
    return f"number {number} in attempt {task.attempt}"


def note(event: str, task: Task, number: int) -> None:
    """Append a line to the log of the drill, in one write, so that lines stay whole."""
    line = {"event": event, "task": task.id, "number": number, "attempt": task.attempt}
    text = json.dumps({"at": time.time(), **line, "pid": os.getpid()}) + "\n"
    descriptor = os.open(
        os.environ["APP_RUNNER_DRILL_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
    )
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
