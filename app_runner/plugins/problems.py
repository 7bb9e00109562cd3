"""All problems there are now: what did not load, and tables that are not up to date."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.plugins import tables
from app_runner.plugins.registry import Problem
from app_runner.state import current_runner

LOG = logging.getLogger(__name__)
#: The part of a plugin that is named when its tables are not up to date.
TABLES = "tables"


def current_problems() -> list[Problem]:
    """Give the problems of this runner; of tables only while the database answers."""
    problems = [*current_runner.registry.problems]
    try:
        problems += _of_tables()
    except SQLAlchemyError as error:
        DB.session.rollback()
        LOG.warning("The tables of plugins cannot be looked at: %s", error)
    return problems


def _of_tables() -> Iterator[Problem]:
    registry = current_runner.registry
    for found in tables.all_tables(registry):
        if lacking := found.lacking(DB.session.connection()):
            plugin = registry.newest(found.plugin)
            loaded = registry.get(plugin.identifier) if plugin else None
            source = loaded.source if loaded else found.plugin
            yield Problem(source, TABLES, f"{lacking} {_way_out(found.plugin)}")


def _way_out(plugin: str) -> str:
    if error := tables.last_error(plugin):
        return _("`flask plugins upgrade-db` failed with %(error)s", error=error)
    return _("`flask plugins upgrade-db` brings them up to date.")
