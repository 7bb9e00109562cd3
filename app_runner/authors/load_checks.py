"""Puts problems of loading in plain words, with the line in the plugin that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask import Flask

from app_runner.authors.findings import Finding, Source
from app_runner.authors.write_watch import REFUSED
from app_runner.babel import gettext as _
from app_runner.plugins.loading import LACKING
from app_runner.plugins.registry import Problem
from app_runner.state import state_of

FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
MISSING = re.compile(r"ModuleNotFoundError: No module named '(?P<name>[^']+)'")


def problem_findings(app: Flask, source: Source) -> Iterator[Finding]:
    """Give what kept the plugin, or a part of it, from loading."""
    registry = state_of(app).registry
    for problem in registry.problems:
        if REFUSED in problem.message:
            continue  # the watch tells it
        yield Finding(_place(problem, source), _words(problem))
    if not registry.problems and not len(registry):
        text = _("It declares no plugin: a Plugin object or a class of PluginBase.")
        yield Finding(source.path.name, text)


def _place(problem: Problem, source: Source) -> str:
    frames = [
        source.at(frame["file"], int(frame["line"]))
        for frame in FRAME.finditer(problem.traceback)
        if source.holds(frame["file"])
    ]
    return frames[-1] if frames else source.path.name


def _words(problem: Problem) -> str:
    if missing := MISSING.search(problem.message):
        return _(
            "It needs the package %(name)s, which is not installed: name it in the "
            "plugin's requirements and install it.",
            name=missing["name"].partition(".")[0],
        )
    if problem.part == LACKING:
        return _("Its requirements: %(cause)s", cause=problem.message)
    return _(
        "It does not load (%(part)s): %(cause)s",
        part=problem.part,
        cause=problem.message,
    )
