"""Keeps a job that was lost from writing beside the one that was begun in its place."""

from __future__ import annotations

from celery import current_task

from app_runner.errors import LeaseLost
from app_runner.tasks import journal


def check_lease() -> None:
    """Raise `LeaseLost` when somebody else works off the message of the job that runs.

    Outside of a job, and in jobs that concern no task, it does nothing.
    """
    if current_task and not journal.is_held_by(current_task.request):
        raise LeaseLost(f"{current_task.name} no longer holds its message")
