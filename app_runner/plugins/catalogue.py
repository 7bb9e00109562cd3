"""The generation of the catalogue: one row that all processes agree on.

Documents that are made from the catalogue are cached per generation. A process says once
what it has loaded; when that differs from what the row says, the generation grows.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass

from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app_runner.db.engine import DB
from app_runner.db.models import Catalogue
from app_runner.db.types import now
from app_runner.plugins.registry import PluginRegistry
from app_runner.state import state_of

LOG = logging.getLogger(__name__)
#: Seconds between two looks at the row.
CHECK_EVERY = 1.0
CACHE = "catalogue"


@dataclass
class Known:
    """What this process knows of the row, and when it looked (monotonic seconds)."""

    generation: int = 0
    looked_at: float = -CHECK_EVERY
    published: bool = False


def init_app(app: Flask) -> None:
    """Begin without knowledge; the database may not even exist yet."""
    state_of(app).caches[CACHE] = Known()


def generation(app: Flask) -> int:
    """Give the generation, at most a second old; without a database the last known."""
    known: Known = state_of(app).caches[CACHE]
    if time.monotonic() - known.looked_at >= CHECK_EVERY:
        known.looked_at = time.monotonic()
        try:
            known.generation = _look(known, fingerprint(state_of(app).registry))
        except SQLAlchemyError as error:
            DB.session.rollback()
            LOG.warning("The catalogue cannot be read: %s", error)
    return known.generation


def fingerprint(registry: PluginRegistry) -> str:
    """Give a digest of what is loaded, equal in all processes that loaded the same."""
    parts = [plugin.identifier for plugin in registry]
    parts += [f"!{p.source} {p.part} {p.message}" for p in registry.problems]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _look(known: Known, loaded: str) -> int:
    row = DB.session.execute(select(Catalogue).order_by(Catalogue.id).limit(1)).scalar()
    if not known.published:
        row = row or Catalogue(generation=0, fingerprint="")
        if row.fingerprint != loaded:
            row.generation, row.fingerprint, row.changed_at = (
                row.generation + 1,
                loaded,
                now(),
            )
            row.save(commit=True)
        known.published = True
    return row.generation if row is not None else known.generation
