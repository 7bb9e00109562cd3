"""Settings of tasks as rows: what jobs may take, where they wait, how long they stay."""

from __future__ import annotations

from app_runner.setting_types import Setting, integer

TASK_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "TASK_TIME_LIMIT",
        0,
        integer(0, 2**31),
        "Seconds that a job of a task may take; 0 is no limit. Processors may say less "
        "or more themselves.",
    ),
    Setting(
        "TASK_SOFT_TIME_LIMIT",
        0,
        integer(0, 2**31),
        "Seconds after which a job is told to come to its end; 0 is never.",
    ),
    Setting(
        "TASK_MEMORY_LIMIT",
        0,
        integer(0, 2**50),
        "Resident bytes that a job may take with its child processes; 0 is no limit.",
    ),
    Setting(
        "CANCEL_GRACE",
        2,
        integer(0, 3600),
        "Seconds that a job has between SIGTERM and SIGKILL.",
    ),
)
