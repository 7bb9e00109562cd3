"""Fetches git sources: what is new is staged beside the old checkout, then swapped in.

Nothing of what is fetched is run or imported here. A fetch that fails, or is killed,
leaves the old checkout and its pin.
"""

from __future__ import annotations

import fcntl
import logging
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app_runner.babel import gettext as _
from app_runner.errors import SourceError
from app_runner.plugins.git import Git
from app_runner.plugins.lock import Lock, Pin
from app_runner.plugins.sources import COMMIT, FOLDER, GitSource, check_allowed

LOG = logging.getLogger(__name__)
STAGE, OLD = ".stage", ".old"


@dataclass(frozen=True)
class Change:
    """What a fetch has changed, or would change; ``old`` is None the first time."""

    source: GitSource
    old: str | None
    new: str
    subject: str = ""
    lines: Sequence[str] = ()
    rewritten: bool = False  # the old commit is no part of the new history

    @property
    def is_none(self) -> bool:
        """Tell whether the files stay what they are."""
        return self.old == self.new


class Fetching:
    """Brings the checkouts of one instance folder to what they should be."""

    def __init__(
        self, instance: Path, allowed: Sequence[str] = (), *, dry_run: bool = False
    ) -> None:
        """Take the instance folder and the hosts that are allowed (none: all are)."""
        self._instance, self._allowed, self._dry_run = instance, allowed, dry_run
        self.lock = Lock(instance)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep a second fetch away; clear what one that was killed has left."""
        folder = self._instance / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SourceError(_("Another fetch is running here.")) from None
            _clear(folder)
            yield

    def fetch(self, source: GitSource, update: bool = False) -> Change:
        """Bring one source to its pin, or with ``update`` to what its ref is now.

        Raises `SourceError`; everything is then as it was.
        """
        check_allowed(source, self._allowed)
        pin = self.lock.get(source.key)
        current = Git(source.checkout(self._instance)).head()
        if pin is not None and not update and pin.commit == current:
            return Change(source, current, current, pin.subject)
        with self._stage(source) as git:
            pinned = pin.commit if pin is not None and not update else None
            commit = self._find(git, source, pinned)
            change = _change(git, source, current, commit)
            git.checkout(commit)
            source.plugins_in(git.folder)
            if not self._dry_run:
                self._keep(git, change)
        return change

    @contextmanager
    def _stage(self, source: GitSource) -> Iterator[Git]:
        name = f".{source.slug}.{secrets.token_hex(4)}{STAGE}"
        git = Git(self._instance / FOLDER / name)
        try:
            git.create()
            yield git
        finally:
            shutil.rmtree(git.folder, ignore_errors=True)

    def _find(self, git: Git, source: GitSource, pinned: str | None) -> str:
        # A host that is allowed must not lead on to one that is not, and git would give
        # the login to the server that it is led to.
        redirects = not self._allowed and source.credentials is None
        git.fetch_all(source, redirects)
        wanted = pinned or source.ref
        commit = git.resolve(wanted)
        if commit is None and COMMIT.fullmatch(wanted):
            try:  # on no branch; some servers give it when asked by name
                git.fetch(source, wanted, redirects=redirects)
            except SourceError as error:
                LOG.info("%s is not given: %s", wanted, error)
            commit = git.resolve(wanted)
        if commit is not None:
            return commit
        if pinned:
            text = _(
                "it has no longer the pinned commit %(ref)s; see --update", ref=pinned
            )
        else:
            text = _("it has no branch, tag or commit “%(ref)s”", ref=source.ref)
        raise SourceError(text)

    def _keep(self, git: Git, change: Change) -> None:
        """Pin, then swap: a full disk is met while the old checkout is in place."""
        key, before = change.source.key, self.lock.get(change.source.key)
        if before is None or before.commit != change.new:
            fetched = datetime.now(UTC).isoformat(timespec="seconds")
            self.lock.put(key, Pin(change.new, change.subject, fetched))
            LOG.info("Pinned %s: %s -> %s", change.source, change.old, change.new)
        try:
            if not change.is_none:
                _swap(git.folder, change.source.checkout(self._instance))
        except OSError:
            self.lock.put(key, before)
            raise


def _change(git: Git, source: GitSource, old: str | None, new: str) -> Change:
    subject = git.subject(new)
    if old is None or old == new:
        return Change(source, old, new, subject)
    if not git.resolve(old):
        return Change(source, old, new, subject, rewritten=True)
    lines = git.lines_between(old, new)
    return Change(source, old, new, subject, lines, not git.follows(old, new))


def _swap(stage: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}{OLD}")
    if target.exists():
        target.rename(aside)
    try:
        stage.rename(target)
    except OSError:
        if aside.exists():
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Put back or remove what a fetch that was killed has left."""
    for path in folder.glob(f".*{STAGE}"):
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(f".*{OLD}"):
        target = folder / path.name.removeprefix(".").removesuffix(OLD)
        if target.exists():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.rename(target)


def fetched_folder(source: GitSource, instance: Path, lock: Lock) -> Path:
    """Give the folder to load plugins from; raises `SourceError` unless it is pinned."""
    checkout = source.checkout(instance)
    current, pin = Git(checkout).head(), lock.get(source.key)
    if current is None:
        raise SourceError(_("It was never fetched: run `flask plugins fetch`."))
    if pin is None or pin.commit != current:
        raise SourceError(
            _("It is not what plugins.lock pins: run `flask plugins fetch`.")
        )
    return source.plugins_in(checkout)
