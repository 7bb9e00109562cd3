"""How executions were lost, as it is kept in their history and as people are told."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from app_runner.babel import gettext as _

#: Outcomes besides killed and exited ones.
NO_SIGN, HANDED_BACK = "no sign of life", "handed back"
#: Of a job that gave its message back itself.
GAVE_BACK = "gave its message back"
KILLED, EXITED = "killed by signal ", "exited with code "
SIGNAL = re.compile(r"signal (\d+)")
CODE = re.compile(r"exitcode (\d+)")


def outcome_of(error: object) -> str:
    """Give how a child process ended, out of Celery's `WorkerLostError`."""
    if found := SIGNAL.search(str(error)):
        return KILLED + found[1]
    if found := CODE.search(str(error)):
        return EXITED + found[1]
    return NO_SIGN


def words(outcome: str) -> str:
    """Say for people how an execution was lost."""
    if outcome.startswith(KILLED):
        number = int(outcome.removeprefix(KILLED))
        if number == signal.SIGKILL:
            return _("the worker was killed (signal 9, as when memory runs out)")
        return _("the worker was killed (signal %(number)d)", number=number)
    if outcome.startswith(EXITED):
        code = outcome.removeprefix(EXITED)
        return _("the process of the worker ended itself (code %(code)s)", code=code)
    if outcome == GAVE_BACK:
        return _("the job gave its message back")
    if outcome == HANDED_BACK:
        return _("the worker was stopped")
    return _("the worker gave no sign of life any more")


def told(outcomes: Sequence[str]) -> str:
    """Say why a job is not tried again: how each execution of it was lost."""
    counted = [one for one in outcomes if one != HANDED_BACK] or [HANDED_BACK]
    lost = [words(outcome) for outcome in counted]
    if set(counted) == {GAVE_BACK}:
        return _("The job gave its message back %(count)d times.", count=len(lost))
    if len(lost) == 1:
        return _("The worker was lost while it ran: %(how)s.", how=lost[0])
    if len(set(lost)) == 1:
        return _(
            "The worker was lost while it ran. It was tried %(count)d times; each time "
            "%(how)s.",
            count=len(lost),
            how=lost[0],
        )
    every = "\n".join(f"{number}. {how}" for number, how in enumerate(lost, start=1))
    return _(
        "The worker was lost while it ran. It was tried %(count)d times:\n%(every)s",
        count=len(lost),
        every=every,
    )
