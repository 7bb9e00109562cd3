"""Runs git so that a repository cannot run anything here.

No hooks, no submodules, no filters, no transport but the known ones, and no questions.
The network step keeps the operator's own configuration (proxies, credential helpers,
keys); the checkout, where attributes of the repository could name filters, has none.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from app_runner.babel import gettext as _
from app_runner.errors import SourceError
from app_runner.plugins.sources import COMMIT, SCHEMES, GitSource

#: Seconds for a step over the network, and for one on this machine.
NETWORK, LOCAL = 900, 120
#: Variables that would make git work elsewhere than in the folder it is given.
ELSEWHERE = re.compile(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|NAMESPACE|OBJECT_DIRECTORY"
    r"|ALTERNATE_OBJECT_DIRECTORIES|TEMPLATE_DIR|EXTERNAL_DIFF|CEILING_DIRECTORIES)"
)
#: Where configuration of the operator is; git before 2.32 knows only the last two.
OWN_CONFIGURATION = ("GIT_CONFIG_GLOBAL", "HOME", "XDG_CONFIG_HOME")
OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "advice.detachedHead=false",
)
#: Places of our own refs in a checkout.
HEAD, WANTED = "refs/runner/head", "refs/runner/wanted"
BRANCHES = "refs/remotes/origin/"
MOST_LINES = 20


class Git:
    """One checkout, and what can be done with it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which may not exist yet."""
        self.folder = folder

    def create(self) -> None:
        """Make an empty repository without templates, so without hooks."""
        self.folder.mkdir(parents=True)
        self._local("init", "--quiet", "--template=")

    def fetch(self, source: GitSource, *refspecs: str, redirects: bool = True) -> None:
        """Fetch from the source; raises `SourceError` with git's reason."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not ELSEWHERE.fullmatch(name)
        }
        environment |= _login(source, environment)
        follow = "initial" if redirects else "false"
        options = ("-c", f"http.followRedirects={follow}")
        arguments = ("fetch", "--quiet", "--no-write-fetch-head", "--no-tags")
        self._run(environment, NETWORK, *options, *arguments, "--", source.url, *refspecs)

    def fetch_all(self, source: GitSource, redirects: bool = True) -> None:
        """Fetch branches and tags, and what the repository takes when none is named."""
        wanted = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        if not source.ref:
            wanted.append(f"+HEAD:{HEAD}")
        elif source.ref.startswith("refs/"):
            wanted.append(f"+{source.ref}:{WANTED}")
        self.fetch(source, *wanted, redirects=redirects)

    def resolve(self, ref: str) -> str | None:
        """Give the commit of a branch, a tag or a commit (in this order), or None.

        A full commit is never looked up as a name: a branch may be called like one.
        """
        names = [f"{BRANCHES}{ref}", f"refs/tags/{ref}"]
        if COMMIT.fullmatch(ref):
            names = [ref]
        elif not ref:
            names = [HEAD]
        elif ref.startswith("refs/"):
            names = [WANTED]
        elif re.fullmatch(r"[0-9a-f]{7,40}", ref):
            names.append(ref)
        return next(filter(None, map(self._commit, names)), None)

    def _commit(self, name: str) -> str | None:
        try:
            found = self._local(
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{name}^{{commit}}",
            )
        except SourceError:
            return None
        return found.strip()

    def checkout(self, commit: str) -> None:
        """Write the files of a commit."""
        self._local("checkout", "--quiet", "--detach", commit)

    def head(self) -> str | None:
        """Give the commit that is checked out, without starting git."""
        try:
            found = (self.folder / ".git" / "HEAD").read_text().strip()
        except OSError:
            return None
        return found if COMMIT.fullmatch(found) else None

    def subject(self, commit: str) -> str:
        """Give the first line of a commit's message."""
        return printable(self._local("log", "-1", "--format=%s", commit))

    def lines_between(self, old: str, new: str) -> list[str]:
        """Give a line for each commit of ``new`` that ``old`` does not have."""
        form = ("--format=%h %s", f"--max-count={MOST_LINES}")
        found = self._local("log", *form, f"{old}..{new}", "--")
        return [printable(line) for line in found.splitlines()]

    def follows(self, old: str, new: str) -> bool:
        """Tell whether ``new`` was built on ``old``."""
        try:
            self._local("merge-base", "--is-ancestor", old, new)
        except SourceError:
            return False
        return True

    def _local(self, *arguments: str) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        environment |= dict.fromkeys(OWN_CONFIGURATION, os.devnull)
        environment["GIT_CONFIG_NOSYSTEM"] = "1"
        return self._run(environment, LOCAL, *arguments)

    def _run(self, environment: Mapping[str, str], seconds: int, *arguments: str) -> str:
        options = [part for option in OPTIONS for part in ("-c", option)]
        command = ["git", "-C", str(self.folder), *options, *arguments]
        fixed = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES),
            "LC_ALL": "C",
        }
        return _output(command, {**environment, **fixed}, seconds)


def _login(source: GitSource, environment: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that log in: neither the command nor any message shows them."""
    if source.credentials is None:
        return {}
    token = base64.b64encode(":".join(source.credentials).encode()).decode()
    number = int(environment.get("GIT_CONFIG_COUNT") or 0)
    return {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"http.{source.url}.extraHeader",
        f"GIT_CONFIG_VALUE_{number}": f"Authorization: Basic {token}",
    }


def _output(command: list[str], environment: Mapping[str, str], seconds: int) -> str:
    """Run in a session of its own: nothing can ask at the terminal, all of it ends."""
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise SourceError(_("git cannot be started: %(reason)s", reason=error)) from error
    try:
        printed, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise SourceError(_("git took longer than %(n)s seconds", n=seconds)) from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise SourceError(_reason(complaint.decode(errors="replace")))
    return printed.decode(errors="replace")


def _reason(complaint: str) -> str:
    """Give what git says went wrong, without its advice."""
    said = [line for line in map(printable, complaint.splitlines()) if line]
    fatal = [line for line in said if line.startswith(("fatal:", "error:", "ssh:"))]
    return " ".join(fatal or said[-3:]) or _("git gave no reason")


def commit_of(path: Path) -> str | None:
    """Give the commit of the fetched source that a file is of; None for other files."""
    folder = next((f for f in path.parents if (f / ".git").is_dir()), None)
    return None if folder is None else Git(folder).head()


def printable(text: str) -> str:
    """Leave out what could steer a terminal."""
    return "".join(c for c in text.strip() if c.isprintable())[:300]
