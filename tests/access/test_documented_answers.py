"""Whatever is sent to a documented operation, its answer is a documented one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app_runner.config import PROJECT
from app_runner.db.types import now
from tests.access.conftest import Site
from tests.conftest import close, new_app

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
BOUNDED = hypothesis.settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
#: Bundled plugins of all kinds: forms, uploads, pages, several processors.
FOLDERS = [str(PROJECT / "plugins")]


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Take out the errors that every operation may answer: each must name its own."""
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                operation["responses"].pop("default", None)


@schemathesis.serializer("application/offset+octet-stream")
def as_bytes(context: Any, value: Any) -> bytes:
    """Send pieces of uploads as they are."""
    return value if isinstance(value, bytes) else str(value).encode()


class Documented:
    """A runner whose document is read, and real ids for the places in its paths."""

    def __init__(self, site: Site) -> None:
        self.site = site
        # One that has ended, or its events would be waited for.
        ended: dict[str, Any] = {"finished_at": now(), "state": "succeeded"}
        task = site.task("ann", task_status="SUCCESS", **ended)
        file = site.file(task)
        self.places = {"task_id": task.split("/")[2], "file_id": file.split("/")[2]}
        headers = site.headers("root")
        path = "/api-spec.json"
        self.schema = schemathesis.openapi.from_wsgi(path, site.app, headers=headers)


@pytest.fixture(scope="module", params=["link", "login"])
def documented(
    request: Any, tmp_path_factory: pytest.TempPathFactory, empty_tables: Path
) -> Iterator[Documented]:
    folder = tmp_path_factory.mktemp("documented")
    shutil.copy(empty_tables, folder)
    settings = {"EXPOSURE": "public", "BROKER_URL": "memory://", "RATE_LIMIT": ""}
    settings |= {"RATE_LIMIT_LOGIN": "", "READING": request.param}
    app = new_app(folder, PLUGIN_FOLDERS=FOLDERS, **settings)
    yield Documented(Site(app))
    close(app)


@pytest.mark.parametrize("user", [None, "ann"])
def test_every_answer_is_documented(documented: Documented, user: str | None) -> None:
    # Its own transport unpacks nothing.
    headers = {**documented.site.headers(user), "Accept-Encoding": "identity"}
    places = documented.places if user else {}

    def ask(case: Any) -> None:
        given = case.path_parameters or {}
        given.update({name: id_ for name, id_ in places.items() if name in given})
        case.call_and_validate(headers=headers, checks=CHECKS)

    failures = []
    for result in documented.schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        try:
            BOUNDED(hypothesis.given(case=operation.as_strategy())(ask))()
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - of any check
            failures.append(f"{operation.label}: {getattr(error, 'exceptions', error)}")
    assert not failures, "\n\n".join(failures)
