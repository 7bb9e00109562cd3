"""What is documented of views is copied where it may change, and nowhere else."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import marshmallow as ma

from app_runner.api.view_docs import ViewDocs, of_view

SCHEMA = ma.Schema()


def documented() -> dict[str, Any]:
    return {"a": [{"b": 1}], "c": ({"d": 2},), "schema": SCHEMA}


def test_a_copy_changes_nothing_of_what_it_was_made_from() -> None:
    view = SimpleNamespace(_apidoc=documented())
    first = of_view(view)
    second = deepcopy(ViewDocs({"all": first}))["all"]
    second["a"][0]["b"] = second["c"][0]["d"] = "changed"
    first["a"].append("more")
    assert view._apidoc == documented()
    assert first["c"] == ({"d": 2},)
    assert second["schema"] is SCHEMA
    assert type(second) is ViewDocs
