"""Tables of plugins: a MetaData and a table of versions of their own, migrated apart.

They lie in the runner's database, and the runner's own migrations neither see nor touch
them. Several versions of a plugin share tables: what is migrated belongs to its name.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, inspect
from sqlalchemy.exc import SQLAlchemyError

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import PluginState
from app_runner.errors import PluginLoadError
from app_runner.plugins.base import PluginBase
from app_runner.state import current_runner

LOG = logging.getLogger(__name__)
LONGEST = 40  # characters of the readable part of a table's name
#: Whose state says what kept tables from being brought up to date; no plugin's id.
OWNER = "app-runner tables"
CACHE = "newest revisions"
REVISION = '''"""{message}"""

{imports}

revision = "{number}"
down_revision = {before!r}
branch_labels = None
depends_on = None


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
'''


@dataclass(frozen=True)
class PluginTables:
    """The tables of one plugin, and the folder with its migrations, if it has one."""

    plugin: str
    tables: MetaData
    migrations: Path | None

    @property
    def version_table(self) -> str:
        """Give the name of the table that says which migrations have run."""
        return version_table(self.plugin)

    def upgrade(self, engine: Engine) -> str:
        """Bring the tables up to date; gives the revision, or "" without migrations.

        Raises what the database or the migrations raise.
        """
        with engine.connect() as connection:
            if self.migrations is None:
                with connection.begin():
                    self.tables.create_all(connection)
                return ""
            return self._migrate(connection, self.migrations)

    def _migrate(self, connection: Connection, folder: Path) -> str:
        script = scripts(folder)

        def steps(revision: Any, _context: Any) -> Any:
            return script._upgrade_revs("head", revision)

        environment = EnvironmentContext(Config(), script, fn=steps)
        with environment:
            environment.configure(connection=connection, **self._options())
            with environment.begin_transaction():
                environment.run_migrations()
        return script.get_current_head() or ""

    def lacking(self, connection: Connection) -> str:
        """Say in what the tables are not up to date; "" when they are."""
        if self.migrations is None:
            there = inspect(connection)
            missing = [
                table.name
                for table in self.tables.sorted_tables
                if not there.has_table(table.name, schema=table.schema)
            ]
            names = ", ".join(missing)
            return _("The tables %(names)s are missing.", names=names) if missing else ""
        options = {"version_table": self.version_table}
        context = MigrationContext.configure(connection, opts=options)
        found, wanted = set(context.get_current_heads()), _heads(self.migrations)
        if found == wanted:
            return ""
        return _(
            "The tables are at revision %(found)s, the plugin needs %(wanted)s.",
            found=", ".join(sorted(found)) or "-",
            wanted=", ".join(sorted(wanted)) or "-",
        )

    def _options(self) -> dict[str, Any]:
        own = set(self.tables.tables)
        return {
            "target_metadata": self.tables,
            "version_table": self.version_table,
            "render_as_batch": True,
            "include_name": lambda name, kind, _parents: kind != "table" or name in own,
        }

    def write_migration(self, engine: Engine, message: str) -> Path | None:
        """Write what the models have and the database has not; None when that is nothing.

        Raises `PluginLoadError` without a folder for migrations.
        """
        if self.migrations is None:
            raise PluginLoadError(f"{self.plugin} names no folder for its migrations")
        self.migrations.mkdir(exist_ok=True)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts=self._options())
            changes = produce_migrations(context, self.tables)
            up, down = changes.upgrade_ops, changes.downgrade_ops
            if up is None or down is None or up.is_empty():
                return None
            script = scripts(self.migrations)
            imports = {"from alembic import op", "import sqlalchemy as sa"}
            code = [
                render_python_code(
                    part,
                    render_as_batch=True,
                    imports=sorted(imports),
                    migration_context=context,
                )
                for part in (up, down)
            ]
        number = f"{len(list(script.walk_revisions())) + 1:04d}"
        words = re.sub(r"\W+", "_", message.lower()).strip("_")[:LONGEST]
        path = self.migrations / f"{number}_{words}.py"
        path.write_text(
            REVISION.format(
                message=message.replace('"', "'"),
                imports="\n".join(sorted(imports)),
                number=number,
                before=script.get_current_head(),
                upgrade=code[0],
                downgrade=code[1],
            )
        )
        return path


def scripts(folder: Path) -> ScriptDirectory:
    """Give the migrations of a folder: files with ``revision`` and ``down_revision``."""
    return ScriptDirectory(str(folder), version_locations=[str(folder)])


def _heads(folder: Path) -> set[str]:
    """Give the newest revisions; an app reads the files once, as all code of plugins."""
    known: dict[Path, set[str]] = current_runner.caches.setdefault(CACHE, {})
    if folder not in known:
        try:
            known[folder] = set(scripts(folder).get_heads())
        except Exception as error:  # noqa: BLE001 - an author's files raise anything
            LOG.warning("The migrations in %s cannot be read: %s", folder, error)
            known[folder] = {"?"}
    return known[folder]


def version_table(plugin: str) -> str:
    """Name the table of versions of a plugin; different names never give the same."""
    words = re.sub(r"\W+", "_", plugin.lower())[:LONGEST]
    return f"plugin_{words}_{hashlib.sha256(plugin.encode()).hexdigest()[:8]}_version"


def tables_of(plugin: PluginBase) -> PluginTables | None:
    """Give the tables of a plugin; raises `PluginLoadError` for what can be none."""
    if plugin.tables is None:
        return None
    if not isinstance(plugin.tables, MetaData):
        raise PluginLoadError("tables must be a MetaData of SQLAlchemy")
    folder = None
    if plugin.migrations is not None:
        folder = plugin.folder / plugin.migrations
    return PluginTables(plugin.name, plugin.tables, folder)


def all_tables(plugins: Iterable[PluginBase]) -> Iterator[PluginTables]:
    """Give the tables of all plugins; of several versions those of the newest."""
    newest = {plugin.name: plugin for plugin in plugins}  # they come sorted by version
    for plugin in newest.values():
        if (found := tables_of(plugin)) is not None:
            yield found


def upgrade_all(plugins: Iterable[PluginBase], engine: Engine) -> dict[str, str]:
    """Bring all tables up to date; gives the errors of those that refuse, by name."""
    errors: dict[str, str] = {}
    for found in all_tables(plugins):
        try:
            revision = found.upgrade(engine)
            LOG.info("Tables of %s are up to date (%s)", found.plugin, revision or "-")
            _remember(found.plugin, None)
        except Exception as error:  # the author's migrations may raise anything
            LOG.exception("The tables of %s cannot be brought up to date", found.plugin)
            errors[found.plugin] = f"{type(error).__name__}: {error}"
            _remember(found.plugin, errors[found.plugin])
    return errors


def _remember(plugin: str, error: str | None) -> None:
    """Let servers know why tables are not up to date, if there are tables for that."""
    try:
        if error is None:
            PluginState.delete_value(OWNER, plugin, commit=True)
        else:
            PluginState.set_value(OWNER, plugin, error, commit=True)
    except SQLAlchemyError as failure:
        DB.session.rollback()
        LOG.warning("What became of the tables is not written down: %s", failure)


def last_error(plugin: str) -> str:
    """Give what kept the tables of a plugin from being brought up to date, or ""."""
    return str(PluginState.get_value(OWNER, plugin, default=""))
