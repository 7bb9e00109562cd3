"""Git sources of plugins: what a line of GIT_PLUGINS says, and where its files lie.

Reads text only; what talks to git is `app_runner.plugins.git`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from app_runner.babel import gettext as _
from app_runner.errors import SourceError

#: Folder of the checkouts, in the instance folder.
FOLDER = "git_plugins"
SCHEMES = ("https", "http", "ssh", "git", "file")
#: A name in front, as in requirements: ``name @ git+https://…``.
NAMED = re.compile(r"(?:[A-Za-z0-9][\w.-]*\s*@\s*)?git\+(\S+)", re.ASCII)
HOST = re.compile(r"(?P<host>[a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.I)
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: Parts of a line that can carry a password.
SECRETS = re.compile(r"(?<=//|t\+)[^/\s]*@")
NOT_IN_FOLDERS = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True)
class GitSource:
    """A repository, what to take of it, and how to log in there."""

    url: str  # without credentials
    host: str  # lower case; "localhost" for files
    ref: str = ""  # branch, tag or commit; empty: what the repository takes itself
    subdirectory: str = ""
    credentials: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """Give the name in `plugins.lock`: the URL without credentials, and the ref."""
        return f"{self.url}@{self.ref}" if self.ref else self.url

    def __str__(self) -> str:
        """Give the source as one may show it."""
        return f"{self.key}#subdirectory={self.subdirectory}".removesuffix(
            "#subdirectory="
        )

    @property
    def slug(self) -> str:
        """Give the name of the folder: readable, and different for each key."""
        name = re.split(r"[/:]", self.url.rstrip("/"))[-1].removesuffix(".git")
        parts = [name, self.ref, hashlib.sha256(self.key.encode()).hexdigest()[:10]]
        return "_".join(
            NOT_IN_FOLDERS.sub("_", part).strip("_")[:40] for part in parts if part
        )

    def checkout(self, instance: Path) -> Path:
        """Give the folder that the repository is checked out to."""
        return instance / FOLDER / self.slug

    def plugins_in(self, checkout: Path) -> Path:
        """Give the folder of the plugins; raises `SourceError` when it is not there."""
        folder = (checkout / self.subdirectory).resolve()
        if folder.is_dir() and folder.is_relative_to(checkout.resolve()):
            return folder
        raise SourceError(
            _("There is no folder %(name)s in the repository.", name=self.subdirectory)
        )


def parse_source(line: str) -> GitSource:
    """Read ``git+<url>[@ref][#subdirectory=dir]``; raises `SourceError`."""
    match = NAMED.fullmatch(line.strip())
    if match is None or not line.isprintable():
        raise _unreadable(line, _("it must be git+<url>[@ref][#subdirectory=folder]"))
    address, _hash, fragment = match[1].partition("#")
    scheme, separator, rest = address.partition("://")
    try:
        parts = _of_url(scheme.lower(), rest) if separator else _of_scp(address)
        return GitSource(*parts[:-1], _subdirectory(fragment), parts[-1])
    except ValueError as error:
        raise _unreadable(line, str(error)) from None


def _unreadable(line: str, reason: str) -> SourceError:
    return SourceError(
        _(
            "The line “%(line)s” of GIT_PLUGINS cannot be read: %(reason)s",
            line=hidden(line),
            reason=reason,
        )
    )


def hidden(line: str) -> str:
    """Strike out what may be a password in a line that nobody has understood yet."""
    return SECRETS.sub("***@", line)


def _of_url(scheme: str, rest: str) -> tuple[str, str, str, tuple[str, str] | None]:
    """Read what follows ``scheme://``: URL, host, ref and credentials."""
    if scheme not in SCHEMES:
        raise ValueError(
            _("the scheme must be one of %(names)s", names=", ".join(SCHEMES))
        )
    authority, slash, path = rest.partition("/")
    user, _at, place = authority.rpartition("@")
    path, ref = _path_and_ref(slash + path)
    if scheme == "file":
        if authority not in ("", "localhost"):
            raise ValueError(_("a file has no host"))
        return f"file://{path}", "localhost", ref, None
    host = _host(place)
    name, _colon, password = user.partition(":")
    if scheme == "ssh" and name:
        return f"ssh://{_user(name)}@{place}{path}", host, ref, None
    known = (unquote(name), unquote(password)) if user and "http" in scheme else None
    return f"{scheme}://{place}{path}", host, ref, known


def _of_scp(address: str) -> tuple[str, str, str, None]:
    """Read ``user@host:path``, the short form of ssh."""
    place, colon, path = address.partition(":")
    user, at, host = place.rpartition("@")
    if not colon:
        raise ValueError(_("it names no repository"))
    path, ref = _path_and_ref(path)
    url = f"{_user(user) if at else ''}{at}{_host(host)}:{path}"
    return url, host.lower(), ref, None


def _path_and_ref(text: str) -> tuple[str, str]:
    path, at, ref = text.rpartition("@") if "@" in text else (text, "", "")
    if not path.strip("/") or path.startswith("-"):
        raise ValueError(_("it names no repository"))
    if at and (
        not ref or ref.startswith("-") or ".." in ref or set(ref) & set("~^:?*[\\")
    ):
        raise ValueError(_("“%(ref)s” is no branch, tag or commit", ref=ref))
    return path, ref


def _host(place: str) -> str:
    match = HOST.fullmatch(place)
    if match is None:
        raise ValueError(_("“%(name)s” is no host name", name=place))
    return match["host"].lower()


def _user(name: str) -> str:
    if not re.fullmatch(r"[\w.%+][\w.%+-]*", name, re.ASCII):
        raise ValueError(_("“%(name)s” is no user name", name=name))
    return name


def _subdirectory(fragment: str) -> str:
    options: dict[str, str] = {}
    for part in filter(None, fragment.split("&")):
        name, _equals, options[name] = part.partition("=")
    options.pop("egg", None)  # a name that pip uses, and we need not
    given = unquote(options.pop("subdirectory", ""))
    if options:
        raise ValueError(_("“%(name)s” is not known after #", name=", ".join(options)))
    path = PurePosixPath(given)
    if path.is_absolute() or {"..", ".git"} & set(path.parts) or not given.isprintable():
        raise ValueError(_("the subdirectory must lie inside the repository"))
    return "" if str(path) == "." else str(path)


def check_allowed(source: GitSource, allowed: Iterable[str]) -> None:
    """Raise `SourceError` when GIT_ALLOWED_HOSTS is set and does not name the host."""
    names = [name.lower() for name in allowed]
    if not names or "*" in names or source.host in names:
        return
    if not any(name[0] == "." and source.host.endswith(name) for name in names):
        raise SourceError(
            _(
                "%(source)s is refused: the host %(host)s is not in GIT_ALLOWED_HOSTS.",
                source=str(source),
                host=source.host,
            )
        )
