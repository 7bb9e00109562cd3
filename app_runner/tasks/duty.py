"""Duties: what one process at a time should do, whoever of them is alive.

Nothing may depend on it being one only: a process that was frozen wakes up and goes on.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from app_runner.db.engine import DB
from app_runner.db.models import Duty
from app_runner.db.types import now

DUTY = cast(Table, Duty.__table__)
SEEN = select(DUTY.c.holder, DUTY.c.until).where(DUTY.c.name == bindparam("of_name"))
TAKE = (
    update(DUTY)
    .where(
        DUTY.c.name == bindparam("of_name"),
        or_(
            DUTY.c.holder == bindparam("me"),
            DUTY.c.until < bindparam("time"),
            DUTY.c.until >= bindparam("never"),
        ),
    )
    .values(holder=bindparam("me"), until=bindparam("then"))
)


#: What is held for so many times what is asked for was written by a clock that is wrong.
PLAUSIBLE = 20


def is_mine(name: str, seconds: float) -> bool:
    """Take or keep a duty for ``seconds`` if nobody else has it; commits.

    Who has it writes when half of the time is over; the others only read.
    """
    me = f"{socket.gethostname()}:{os.getpid()}"
    connection = DB.session.connection()
    row = connection.execute(SEEN, {"of_name": name}).first()
    moment, wanted = now(), timedelta(seconds=seconds)
    if row is None:
        _create(name)
    elif row.holder == me and row.until > moment + wanted / 2:
        DB.session.rollback()
        return True
    elif row.holder != me and moment < row.until < moment + PLAUSIBLE * wanted:
        DB.session.rollback()
        return False
    values: dict[str, Any] = {"of_name": name, "me": me, "time": moment}
    values |= {"then": moment + wanted, "never": moment + PLAUSIBLE * wanted}
    taken = DB.session.connection().execute(TAKE, values).rowcount == 1
    DB.session.commit()
    return taken


def _create(name: str) -> None:
    row = {"name": name, "holder": "", "until": now() - timedelta(seconds=1)}
    try:
        DB.session.connection().execute(insert(DUTY), {**row, "notes": {}})
        DB.session.commit()
    except IntegrityError:  # another process was first
        DB.session.rollback()
