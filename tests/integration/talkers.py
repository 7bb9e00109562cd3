"""A plugin folder for the tests of logs, events and submits: jobs that talk."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import PluginFolder

TALKER = '''
    """Says things while it waits for files."""

    import logging
    import os
    import signal
    import sys
    import threading
    import time
    from pathlib import Path

    from app_runner.plugin_api import Plugin, Password, Task

    plugin = Plugin("talker", "1.0.0")

    @plugin.processor()
    def talk(
        task: Task, words: str, wait_for: str = "", end: str = "", key: Password() = ""
    ) -> str:
        """Say words, wait for a file, then end well, or by a signal."""
        print("printed", words)
        logging.getLogger("some.library").warning("logged %s", words)
        task.log(f"told {words} {key}")
        threading.Thread(target=print, args=["from a thread"]).start()
        task.progress(1, 4, "words")
        print("begun", end="", file=sys.stderr)
        while wait_for and not Path(wait_for).exists():
            time.sleep(0.02)
        if end == "kill" and task.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"

    @plugin.processor()
    def count(task: Task, rounds: int = 1_000_000) -> str:
        """Tell progress in a loop."""
        began = time.process_time()
        for number in range(rounds):
            task.progress(number + 1, rounds, "rounds")
        return f"{time.process_time() - began:.3f}"

    @plugin.processor()
    def chatter(task: Task, lines: int) -> str:
        """Print many lines."""
        for number in range(lines):
            print("line", number, "x" * 80)
        return ""

    @plugin.processor()
    def family(task: Task) -> str:
        """Print beside a forked process that tells the same things, for a while."""
        task.log("before")
        time.sleep(0.7)  # it is written, so what is told next begins a new batch
        child = os.fork()
        who = "parent" if child else "child"
        for number in range(15):
            print(who, number)
            task.log(f"{who} told {number}")
            task.progress(number, 15, who)
            time.sleep(0.1)
        if child:
            return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
'''


def talkers(folder: Path) -> PluginFolder:
    """Write the plugins."""
    found = PluginFolder(folder)
    found.add("talker.py", TALKER)
    return found
