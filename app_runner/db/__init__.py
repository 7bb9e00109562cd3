"""The database: engine, session, column types, models, commands."""

from app_runner.db.engine import DB

__all__ = ["DB"]
