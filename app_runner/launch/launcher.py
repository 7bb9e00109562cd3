"""Becomes a child's command after telling the watchdog of it; run as a script only.

Telling comes from the child itself, before the command begins: so there is no moment in
which a supervisor that is killed leaves a process nobody knows of.
Usage: launcher.py PIPE ORDER GRACE COMMAND [ARGUMENT ...]
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main(pipe: int, order: str, grace: str, command: list[str]) -> int:
    """Write one line for the watchdog and become the command; returns only on failure."""
    with contextlib.suppress(
        BrokenPipeError
    ):  # the supervisor starts a new watchdog then
        os.write(pipe, f"+ {order} {grace} {os.getpid()}\n".encode())
    os.set_inheritable(
        pipe, False
    )  # closed at exec, so that only the supervisor holds it
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP):
        signal.signal(
            number, signal.SIG_DFL
        )  # what the interpreter or `nohup` has changed
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]))
