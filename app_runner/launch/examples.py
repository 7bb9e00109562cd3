"""`./run start --examples`: what the bundled plugins need beyond the runner is there."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from app_runner.babel import gettext as _
from app_runner.launch.supervisor import LaunchError
from app_runner.plugins.requirements import missing, shown

EXTRA = "examples"


def examples_are_there() -> str:
    """Say which packages the bundled plugins can use; raises `LaunchError` otherwise.

    The script `run` has installed them, as locked, before anything of ours is started.
    """
    wanted = list(_wanted())
    if lacking := missing(wanted):
        text = _(
            "--examples: %(names)s is not installed. `./run start --examples` installs "
            "what the bundled plugins need.",
            names=", ".join(sorted(map(shown, lacking))),
        )
        raise LaunchError(text)
    names = ", ".join(sorted(requirement.name for requirement in wanted))
    return _("All bundled plugins can work: %(names)s are installed.", names=names)


def _wanted() -> Iterator[Requirement]:
    """Give what the extra adds to the requirements of the runner."""
    for text in metadata.requires("app-runner") or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            continue
        if marker.evaluate({"extra": EXTRA}):
            requirement.marker = None
            yield requirement
