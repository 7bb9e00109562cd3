"""The plugin of the drill: tasks of a given length, and such as must not go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Literal

from app_runner.plugin_api import Plugin, Task

VERSION = "1.0.0"
#: Bytes that a greedy task may have, and the seconds for which it takes more.
LIMIT, PATIENCE = 400_000_000, 60

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


@plugin.processor(time_limit=1.5)
def endless(task: Task, number: int = 0) -> None:
    """Take more time than it may, and do not heed when asked to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("begun", task, number)
    while True:
        time.sleep(1)


@plugin.processor(memory_limit=LIMIT)
def greedy(task: Task, number: int = 0) -> None:
    """Have a child process that takes more memory than the job may."""
    note("begun", task, number)
    taken = f"import time; taken = b'x' * {LIMIT}; time.sleep({PATIENCE})"
    subprocess.run([sys.executable, "-c", taken], check=True)


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
