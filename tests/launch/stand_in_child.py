"""A stand-in for a service: says when it begins and ends; run as a script only.

Usage: stand_in_child.py FOLDER NAME [stubborn|mortal|family ...]
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

folder, name, *traits = sys.argv[1:]


def note(what: str) -> None:
    """Append a line to the folder's log, whole even when others write."""
    descriptor = os.open(Path(folder) / "log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(descriptor, f"{what} {name}\n".encode())
    os.close(descriptor)


def end(number: int, frame: FrameType | None) -> None:
    """End when asked, unless the stand-in is stubborn."""
    note("asked")
    if "stubborn" not in traits:
        sys.exit(0)


signal.signal(signal.SIGTERM, end)
if "family" in traits:  # as a worker's children: sessions of their own, deaf to SIGTERM
    arguments = [sys.executable, __file__, folder, f"{name}-child", "stubborn"]
    subprocess.Popen(arguments, start_new_session=True)
sys.stdout.write(f"{name} is up\n")
sys.stdout.flush()
sys.stderr.write("\x1b[31mred\x1b[0m\n")
note("began")  # after its words: nobody reads them once a test has killed the supervisor
if "mortal" in traits:
    sys.exit(3)
while True:
    signal.pause()
