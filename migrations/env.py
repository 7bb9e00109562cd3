"""Alembic's environment: migrates the database of the current app."""

from alembic import context
from flask import current_app

from app_runner.db import models  # noqa: F401 - fills the metadata
from app_runner.db.engine import DB, Base

OWN = set(Base.metadata.tables)
OPTIONS = {
    "target_metadata": Base.metadata,
    "compare_type": True,
    "render_as_batch": True,
    "user_module_prefix": None,
    # Tables of plugins lie beside ours, and are no business of these migrations.
    "include_name": lambda name, kind, _: kind != "table" or name in OWN,
}


def offline() -> None:
    """Print SQL (`flask db upgrade --sql`); nothing is connected."""
    url = current_app.config["SQLALCHEMY_DATABASE_URI"]
    context.configure(url=url, literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def online() -> None:
    """Run the migrations in one transaction where the database can."""
    with DB.engine.connect() as connection:
        context.configure(connection=connection, **OPTIONS)
        with context.begin_transaction():
            context.run_migrations()


offline() if context.is_offline_mode() else online()
