"""Measures one `create_app` in this process: `python -m app_runner.bench.startup FOLDER`.

The settings come from the environment. It prints a JSON object: seconds of `create_app`,
its CPU seconds, those in importing modules below FOLDER, how many these are, and resident
bytes. It runs in one thread, so CPU time is what it costs, whoever else uses the machine.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from .processes import resident_bytes


@dataclass
class Stopwatch:
    """CPU seconds spent in executing modules below a folder, and how many there were."""

    folder: str
    seconds: float = 0.0
    modules: int = 0
    depth: int = 0

    def execute(self, loader: SourceFileLoader, module: ModuleType) -> None:
        """Execute a module as its loader does; count the time once for nested imports."""
        inside = loader.path.startswith(self.folder)
        self.modules += inside
        self.depth += inside
        start = time.process_time()
        try:
            _execute(loader, module)
        finally:
            self.depth -= inside
            if inside and self.depth == 0:
                self.seconds += time.process_time() - start


_EXECUTE = "exec_module"
_execute = SourceFileLoader.exec_module


@contextmanager
def timed_imports(folder: str) -> Iterator[Stopwatch]:
    """Time the execution of all modules below `folder` while the block runs.

    Python's own loader executes plugin files, however they are found and named; so the
    time of exactly that call (read, unmarshal, execute) is a plugin's own import.
    """
    watch = Stopwatch(f"{Path(folder).resolve()}{os.sep}")
    setattr(SourceFileLoader, _EXECUTE, lambda *args: watch.execute(*args))
    try:
        yield watch
    finally:
        # Inherited from a base class, so deleting what was set brings it back.
        delattr(SourceFileLoader, _EXECUTE)


def measure(folder: str) -> dict[str, float]:
    """Create one app and give what it cost."""
    from app_runner import create_app

    with timed_imports(folder) as watch:
        start, used = time.perf_counter(), time.process_time()
        create_app()
        used, seconds = time.process_time() - used, time.perf_counter() - start
    return {
        "create_app": seconds,
        "cpu": used,
        "imports": watch.seconds,
        "modules": watch.modules,
        "resident": resident_bytes(os.getpid()),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
