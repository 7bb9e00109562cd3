"""Virtual plugins: what plugins offer under names of their own, at URLs of their own.

They are rows, which any process may add or delete, so they are read anew each time. Only
those whose parent is served here are offered: nobody would answer for the others.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version
from sqlalchemy.exc import SQLAlchemyError

from app_runner.db.engine import DB
from app_runner.db.models import VirtualPlugin
from app_runner.state import current_runner

LOG = logging.getLogger(__name__)
CACHE = "virtual plugins"


@dataclass(frozen=True)
class Offered:
    """A virtual plugin, and the id of the plugin that offers it."""

    name: str
    version: str
    identifier: str
    href: str
    description: str
    tags: tuple[str, ...]
    parent: str

    @property
    def order(self) -> tuple[Any, ...]:
        """Give what sorts by version: PEP 440 where it holds, before that as text."""
        try:
            return (1, Version(self.version), "")
        except InvalidVersion:
            return (0, Version("0"), self.version)


def offered() -> Sequence[Offered]:
    """Give those of the plugins of this runner; without a database those known last."""
    parents = [plugin.identifier for plugin in current_runner.registry]
    try:
        rows = VirtualPlugin.get_all(for_parents=parents) if parents else ()
        found = sorted(map(_plain, rows), key=lambda one: (one.name, one.order))
        current_runner.caches[CACHE] = found
    except SQLAlchemyError as error:
        DB.session.rollback()
        LOG.warning("The virtual plugins cannot be read: %s", error)
    known: Sequence[Offered] = current_runner.caches.get(CACHE, ())
    return known


def find(wanted: str) -> Offered | None:
    """Find by id, or give the newest version of a name."""
    shown = wanted.replace(".", "-")
    found = [
        one
        for one in offered()
        if one.identifier == wanted or one.name.replace(".", "-") == shown
    ]
    return found[-1] if found else None


def _plain(row: VirtualPlugin) -> Offered:
    return Offered(
        row.name,
        row.version,
        row.identifier,
        row.href,
        row.description,
        tuple(row.tag_list),
        row.parent_id,
    )
