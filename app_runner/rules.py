"""URL rules that write the code to build their URLs only when one is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Map, Rule


class LazyRule(Rule):
    """A rule for apps with many routes, most of which are only ever matched.

    Werkzeug compiles two functions for each rule as soon as it is added, which was a
    third of what a plugin costs at start (each is added twice, see docs/adr/0006).
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., Any]:
        compile_now = super()._compile_builder
        compiled: list[Callable[..., Any]] = []

        def build(rule: LazyRule, /, **values: Any) -> Any:
            if not compiled:
                compiled.append(compile_now(append_unknown))
            return compiled[0](rule, **values)

        return build


class UnsortedMap(Map):
    """A map that is asked for its rules but never matches a URL."""

    def update(self) -> None:
        """Sort nothing; with many plugins that would take longer each time."""
