"""Finds changes made inside JSON columns, however deep and through whatever reference.

Authors write ``task.data["a"]["b"] = 1`` or keep a list and append to it after it was
stored, so wrappers around containers would miss changes. Instead a snapshot is kept
of each loaded value and compared before every flush and commit.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session, UOWTransaction
from sqlalchemy.orm.attributes import flag_modified

from app_runner.db.types import Json, dump

SNAPSHOTS = "json_snapshots"


def json_columns(class_: type) -> tuple[str, ...]:
    """Give the names of the attributes of ``class_`` that hold JSON."""
    found: Any = inspect(class_).column_attrs
    return tuple(
        attribute.key
        for attribute in found
        if isinstance(attribute.columns[0].type, Json)
    )


def watch(class_: type) -> None:
    """Take snapshots of the JSON columns of ``class_`` whenever a row is loaded."""
    columns = json_columns(class_)

    def loaded(target: Any, context: Any, attributes: Any = None) -> None:
        session = inspect(target).session
        if session is not None:
            _take(session, target, columns)

    event.listen(class_, "load", loaded)
    event.listen(class_, "refresh", loaded)


def _take(session: Session, target: Any, columns: tuple[str, ...]) -> None:
    # The strong reference keeps a changed object alive until it is written.
    state = target.__dict__
    values = {name: dump(state[name]) for name in columns if name in state}
    if values:
        session.info.setdefault(SNAPSHOTS, {})[id(target)] = (target, values)


def note_changes(session: Session) -> None:
    """Mark the JSON attributes whose value differs from its snapshot."""
    for target, values in list(session.info.get(SNAPSHOTS, {}).values()):
        if target not in session:
            continue
        for name, before in values.items():
            if name in target.__dict__ and dump(target.__dict__[name]) != before:
                flag_modified(target, name)


class JsonAwareSession(Session):
    """A session that looks for changed JSON before it decides what there is to write."""

    def flush(self, objects: Any = None) -> None:
        """Write all changes, also those inside JSON values."""
        note_changes(self)
        super().flush(objects)


def listen(session_class: type[Session]) -> None:
    """Connect the commit and flush events of ``session_class``."""
    event.listen(session_class, "before_commit", note_changes)
    event.listen(session_class, "after_flush", _renew)
    event.listen(session_class, "after_soft_rollback", _forget)
    event.listen(session_class, "after_commit", lambda session: _forget(session, None))


def _renew(session: Session, context: UOWTransaction) -> None:
    for target in [*session.new, *session.dirty]:
        if columns := json_columns(type(target)):
            _take(session, target, columns)


def _forget(session: Session, previous: Any) -> None:
    session.info.pop(SNAPSHOTS, None)
