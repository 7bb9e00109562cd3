"""Checks plugins, each in a process and a scratch folder of its own that go afterwards.

A process of its own, because a check imports the plugin: that may take long, end the
process, or meet packages that this process has imported already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from app_runner.authors.findings import Finding, Report
from app_runner.babel import gettext as _
from app_runner.config import PROJECT, ROWS
from app_runner.plugins.modules import Candidate, candidates

LONGEST = 120  # seconds that a check may take
SHOWN = 500  # characters of what a process that ended has said


def check_path(path: Path) -> list[Report]:
    """Check a plugin (file or package), or all that a folder holds; none gives []."""
    path = path.absolute()
    found = [Candidate(path)] if path.is_file() else list(candidates(path))
    return [_check(candidate) for candidate in found]


def _check(candidate: Candidate) -> Report:
    with tempfile.TemporaryDirectory(prefix="app-runner-check-") as scratch:
        result = Path(scratch) / "report.json"
        home = Path(scratch) / "home"
        home.mkdir()
        module = (sys.executable, "-m", "app_runner.authors.checking")
        try:
            ended = subprocess.run(
                [*module, str(candidate.path), str(result)],
                cwd=home,
                env=_environment(home),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
                timeout=LONGEST,
            )
        except subprocess.TimeoutExpired:
            text = _("Loading it does not end within %(time)d s.", time=LONGEST)
            return _only(candidate, text)
        if result.exists():
            return Report.load(result.read_text())
        said = ended.stderr.decode(errors="replace").strip()[-SHOWN:]
        text = _("Loading it ends the whole process: %(said)s", said=said)
        return _only(candidate, text)


def _only(candidate: Candidate, text: str) -> Report:
    return Report.of((), [Finding(candidate.path.name, text)])


def _environment(home: Path) -> dict[str, str]:
    """Give variables under which nothing is written outside of ``home``."""
    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        **dict.fromkeys((*ROWS, "FLASK_DEBUG", "FLASK_APP"), ""),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "MPLCONFIGDIR": str(home / "config"),
        "TMPDIR": str(home),
    }
