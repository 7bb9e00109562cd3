"""Settings of tasks as rows: what jobs may take, where they wait, how long they stay."""

from __future__ import annotations

import json
from typing import Any

from app_runner.setting_types import Setting, host_names, integer


def _pairs(value: Any) -> tuple[tuple[str, Any], ...]:
    try:
        found = json.loads(value or "{}") if isinstance(value, str) else value
        return tuple((str(pattern), its) for pattern, its in dict(found).items())
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"it must be a JSON object ({error})") from None


def named_queues(value: Any) -> tuple[tuple[str, str], ...]:
    """Take a mapping, its JSON, or its pairs: patterns of plugins, names of queues."""
    for pattern, name in (pairs := _pairs(value)):
        if not isinstance(name, str) or not name or set(name) & set(", "):
            raise ValueError(f"the queue of {pattern!r} must be a name without commas")
    return pairs


def plugin_patterns(value: Any) -> tuple[str, ...]:
    """Take a list, or patterns of plugin names or ids separated by commas."""
    for pattern in (found := host_names(value)):
        if set(pattern) & set("/\\#%<>"):
            raise ValueError(f"{pattern!r} fits no plugin")
    return found


def priorities(value: Any) -> tuple[tuple[str, int], ...]:
    """Take a mapping, its JSON, or its pairs: patterns of plugins, numbers 0 to 9."""
    read = integer(0, 9)
    return tuple((pattern, read(number)) for pattern, number in _pairs(value))


def task_limits(value: Any) -> tuple[tuple[str, int], ...]:
    """Take a mapping, its JSON, or its pairs: patterns of plugins, numbers of tasks."""
    read = integer(0, 2**31)
    return tuple((pattern, read(number)) for pattern, number in _pairs(value))


def retention_rules(value: Any) -> tuple[tuple[str, dict[str, int]], ...]:
    """Take a mapping, its JSON, or its pairs: patterns of plugins, bounds by name."""
    read = integer(0, 2**60)
    for pattern, rule in (pairs := _pairs(value)):
        if not isinstance(rule, dict) or not rule.keys() <= {"age", "count", "size"}:
            raise ValueError(f"the rule of {pattern!r} must have age, count, size only")
    return tuple(
        (pattern, {name: read(bound) for name, bound in rule.items()})
        for pattern, rule in pairs
    )


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
        "PLUGIN_QUEUES",
        (),
        named_queues,
        "JSON object: pattern of plugin names or ids to the queue that their jobs wait "
        "in. A plugin without one has a queue of its own.",
    ),
    Setting(
        "PLUGIN_PRIORITIES",
        (),
        priorities,
        "JSON object: pattern of plugin names or ids to a priority, 0 to 9; 5 is normal, "
        "a higher one is sooner.",
    ),
    Setting(
        "WORKER_PLUGINS",
        (),
        plugin_patterns,
        "Patterns of plugin names or ids whose jobs a worker takes, separated by commas. "
        "Empty: all.",
    ),
    Setting(
        "TASK_LIMIT_PER_PLUGIN",
        0,
        integer(0, 2**31),
        "Tasks of a plugin that may run or wait for a worker at the same time; 0 is no "
        "limit.",
    ),
    Setting(
        "PLUGIN_TASK_LIMITS",
        (),
        task_limits,
        "JSON object: pattern of plugin names or ids to their own such limit.",
    ),
    Setting(
        "TASK_LIMIT_PER_USER",
        0,
        integer(0, 2**31),
        "Tasks of a user that may run or wait for a worker at the same time; 0 is no "
        "limit. All that is submitted without a login counts as one user's.",
    ),
    Setting(
        "CANCEL_GRACE",
        2,
        integer(0, 3600),
        "Seconds that a job has between SIGTERM and SIGKILL.",
    ),
    Setting(
        "RETENTION_AGE",
        90,
        integer(0, 36500),
        "Days that finished tasks and their files are kept; 0 is for ever.",
    ),
    Setting(
        "RETENTION_COUNT",
        1_000_000,
        integer(0, 2**40),
        "Finished tasks of each plugin that are kept; 0 is no bound.",
    ),
    Setting(
        "RETENTION_SIZE",
        100 * 10**9,
        integer(0, 2**60),
        "Bytes of files of finished tasks that are kept for each plugin; 0 is no bound.",
    ),
    Setting(
        "RETENTION_PLUGINS",
        (),
        retention_rules,
        "JSON object: pattern of plugin names or ids to an object with age, count, size.",
    ),
    Setting(
        "RETENTION_EVERY",
        600,
        integer(0, 2**31),
        "Seconds between two looks for tasks to delete; 0 is never.",
    ),
)
