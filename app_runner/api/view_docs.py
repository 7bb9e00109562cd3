"""What is documented of views, which flask-smorest copies at each of its decorators."""

from __future__ import annotations

from typing import Any


class ViewDocs(dict[str, Any]):
    """A dictionary that is copied quickly: schemas, which nothing changes, are shared."""

    def __deepcopy__(self, memo: dict[int, Any]) -> ViewDocs:
        """Copy what may be changed: dictionaries and lists, at any depth."""
        return ViewDocs({key: _copied(value) for key, value in self.items()})


def of_view(view: Any) -> ViewDocs:
    """Give a copy of what is documented of a view so far."""
    found = getattr(view, "_apidoc", {})
    return ViewDocs({key: _copied(value) for key, value in found.items()})


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return ViewDocs({key: _copied(part) for key, part in value.items()})
    if isinstance(value, list):
        return [_copied(part) for part in value]
    return tuple(map(_copied, value)) if type(value) is tuple else value
