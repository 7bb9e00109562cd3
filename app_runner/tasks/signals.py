"""Signals that tell what happened to a task: ``send(app, task_id=…)``."""

from __future__ import annotations

from blinker import Namespace

_SIGNALS = Namespace()

TASK_STATUS_CHANGED = _SIGNALS.signal("task-status-changed")
TASK_STEPS_CHANGED = _SIGNALS.signal("task-steps-changed")
TASK_DETAILS_CHANGED = _SIGNALS.signal("task-details-changed")
#: A task has ended because somebody wished it.
TASK_CANCELLED = _SIGNALS.signal("task-cancelled")

#: Word of the event, as subscriptions and webhooks name it.
EVENTS = {
    "status": TASK_STATUS_CHANGED,
    "steps": TASK_STEPS_CHANGED,
    "details": TASK_DETAILS_CHANGED,
}
