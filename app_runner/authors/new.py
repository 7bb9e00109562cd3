"""Writes a new plugin with test and README from the templates of this package."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
import tempfile
from pathlib import Path
from string import Template

from app_runner.babel import gettext as _
from app_runner.errors import RunnerError

TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
LONGEST = 60


class NotWritten(RunnerError):
    """There is no new plugin; the text says why."""


def write_plugin(name: str, kind: str, folder: Path) -> Path:
    """Write a plugin of a kind into a folder of its own below ``folder``; gives that.

    Raises `NotWritten` when the name cannot be used or is taken, and writes nothing then.
    """
    module = module_name(name)
    place = folder / module
    if place.exists() or place.with_suffix(".py").exists():
        raise NotWritten(_("%(place)s is there already.", place=place))
    texts = {
        "name": name,
        "module": module,
        "title": " ".join(re.split("[-_]", name)).capitalize(),
        "class_name": "".join(part.capitalize() for part in re.split("[-_]", name)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as draft:
            whole = Path(draft) / module
            _fill(TEMPLATES / kind, whole, texts)
            whole.rename(place)  # all of it or nothing
    except OSError as error:
        text = _("The plugin cannot be written: %(why)s", why=error)
        raise NotWritten(text) from error
    return place


def module_name(name: str) -> str:
    """Give the name of the folder; raises `NotWritten` for a name that cannot be used."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        text = _(
            "“%(name)s” cannot be the name: take at most %(most)d small letters, digits "
            "and hyphens, beginning with a letter, as in word-count.",
            name=name,
            most=LONGEST,
        )
        raise NotWritten(text)
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or keyword.issoftkeyword(module):
        raise NotWritten(_("“%(name)s” is a word of Python itself.", name=name))
    if module in sys.stdlib_module_names or importlib.util.find_spec(module):
        text = _(
            "“%(name)s” is the name of a Python package that is installed here.",
            name=name,
        )
        raise NotWritten(text)
    return module


def _fill(template: Path, place: Path, texts: dict[str, str]) -> None:
    for source in sorted(template.rglob("*.txt")):
        relative = str(source.relative_to(template)).removesuffix(".txt")
        named = relative.replace("MODULE", texts["module"]).replace("NAME", texts["name"])
        target = place / named
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(source.read_text("utf-8")).substitute(texts), "utf-8")
