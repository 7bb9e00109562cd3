"""Asking the user for further input: what a part of a task leaves for the next one.

A processor that asks is done in parts. Each part is a job with a message of its own; what
connects them is kept in ``data`` of the task's row: ``asked`` (what the step that waits
will start) and ``part`` (what the running part was started with). See docs/adr/0012.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from types import FunctionType
from typing import Any, NoReturn

from app_runner.babel import gettext as _
from app_runner.errors import UserError
from app_runner.state import call_depth
from app_runner.tasks.recorder import PRIVATE_PREFIX
from app_runner.tasks.sealing import seal, unseal

#: Tasks that may stand above one that calls a further plugin.
MAX_DEPTH = 10
MAX_STATE = 1_000_000  # characters of JSON; larger things are scratch files


@dataclass(frozen=True)
class Question:
    """What a step asks for (``parameters``) and what its answer starts (``then``).

    Both are names of things at the top of a module of the plugin. ``kept`` is JSON text
    with the state; with passwords that the part knew, it is sealed and has them too.
    """

    parameters: str
    then: str
    kept: str
    title: str = ""
    help: str = ""
    sealed: bool = False
    is_call: bool = False  # of another plugin: its task gives the answer
    depth: int = 0  # calls above the task that asks

    @property
    def as_json(self) -> dict[str, Any]:
        """Give what is kept in the row."""
        return asdict(self)

    def read(self) -> tuple[Any, list[str]]:
        """Give state and passwords; raises `UserError` when they cannot be read."""
        kept = self.opened()
        return kept["state"], kept["secrets"]

    def opened(self) -> dict[str, Any]:
        """Give all that was kept; raises as `read`."""
        kept: dict[str, Any] = json.loads(unseal(self.kept) if self.sealed else self.kept)
        return kept


class Asked(BaseException):
    """Ends the function that asks; no ``except Exception`` of an author may stop it."""

    def __init__(self, question: Question) -> None:
        """Take the question."""
        super().__init__("the task asks for input")
        self.question = question


def ask(
    parameters: Any,
    then: Callable[..., Any],
    state: Any,
    *,
    title: str = "",
    help_: str = "",
    secrets: Sequence[str] = (),
) -> NoReturn:
    """End the running part with a question.

    Raises ``TypeError`` for what another process could not find again or JSON cannot
    hold.
    """
    _check(then)
    if isinstance(parameters, type) or parameters is None or callable(parameters):
        source = parameters or then
    else:
        source = type(parameters)
    kept = _json({"state": {} if state is None else state, "secrets": list(secrets)})
    raise Asked(
        Question(
            name_of(source),
            name_of(then),
            seal(kept) if secrets else kept,
            str(title),
            str(help_),
            bool(secrets),
            depth=call_depth(),
        )
    )


def refuse_circles(target: str, most: int = MAX_DEPTH) -> None:
    """Raise `UserError` when ``most`` calls are above the one of ``target``."""
    if call_depth() >= most:
        raise UserError(
            _(
                "Plugins call each other more than %(most)s deep, perhaps in a circle; "
                "%(plugin)s was not called.",
                most=most,
                plugin=target,
            )
        )


def call(
    target: str,
    parameters: dict[str, Any],
    then: Callable[..., Any],
    state: Any,
    secrets: Sequence[str] = (),
) -> NoReturn:
    """End the running part with a call of the plugin ``target`` (id, name or URL).

    ``parameters`` are JSON by their names on the wire. Raises as `ask`, and `UserError`
    when calls go too deep.
    """
    _check(then)
    refuse_circles(target)
    call_ = {"plugin": target, "parameters": parameters}
    kept = {"state": {} if state is None else state, "secrets": list(secrets)}
    text, name = seal(_json({**kept, "call": call_})), name_of(then)
    raise Asked(Question(name, name, text, sealed=True, is_call=True, depth=call_depth()))


def _check(then: Any) -> None:
    if not isinstance(then, FunctionType):
        raise TypeError("then= must be a function")


def _json(kept: Any) -> str:
    try:
        text = json.dumps(kept, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"state= must be data that JSON can hold: {error}") from error
    if len(text) > MAX_STATE:
        raise TypeError(
            f"state= has {len(text)} characters of JSON, at most {MAX_STATE} are kept; "
            "save_scratch keeps more"
        )
    return text


def name_of(thing: Any) -> str:
    """Name a function or class so that every process finds it again.

    Raises ``TypeError`` for one that does not stand at the top of a module.
    """
    name = f"{PRIVATE_PREFIX.sub('', thing.__module__)}:{thing.__qualname__}"
    prefix = PRIVATE_PREFIX.match(thing.__module__)
    if _found(name, prefix[0] if prefix else "") is not thing:
        raise TypeError(
            f"{thing.__qualname__} must stand at the top of a module of the plugin"
        )
    return name


def find(name: str, plugin_module: str) -> Any:
    """Give what `name_of` named, in the module or package of ``plugin_module``.

    The name was stored, so it leads nowhere else. Raises `UserError` when nothing of the
    plugin has it (any longer).
    """
    prefix = PRIVATE_PREFIX.match(plugin_module)
    root = PRIVATE_PREFIX.sub("", plugin_module).partition(".")[0]
    is_ours = re.split("[.:]", name)[0] == root
    found = _found(name, prefix[0] if prefix else "") if is_ours else None
    if found is None:
        raise UserError(
            _("The plugin was changed and cannot go on here. Start the task again.")
        )
    return found


def _found(name: str, prefix: str) -> Any:
    module_name, _colon, attribute = name.partition(":")
    module = sys.modules.get(prefix + module_name)
    return getattr(module, attribute, None)
