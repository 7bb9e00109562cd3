"""Who calls, and whose the tasks are."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from sqlalchemy import select
from werkzeug.exceptions import HTTPException

from app_runner.api.identity import current_user, require_owner, visible_to_user
from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.state import OWNER
from tests.conftest import AppFactory


def headers_of(app: Flask, user: str | None, **claims: Any) -> dict[str, str]:
    if user is None:
        return {}
    with app.app_context():
        token = create_access_token(user, additional_claims=claims)
    return {"Authorization": f"Bearer {token}"}


def test_a_new_task_belongs_to_the_caller(app: Flask) -> None:
    with app.test_request_context(headers=headers_of(app, "ann")):
        assert ProcessingTask("job").owner == current_user() == "ann"
    with app.test_request_context():
        assert ProcessingTask("job").owner is None


def test_a_task_made_by_a_job_belongs_to_the_user_of_the_job(app: Flask) -> None:
    token = OWNER.set("ann")
    try:
        with app.app_context():
            assert ProcessingTask("job").owner == "ann"
    finally:
        OWNER.reset(token)


@pytest.mark.parametrize(
    ("user", "claims", "refused"),
    [
        ("ann", {}, None),
        ("bob", {}, 403),
        ("root", {"scope": "admin"}, None),
        (None, {}, 401),
    ],
)
def test_only_the_owner_and_admins_may_change_a_task(
    make_app: AppFactory, user: str | None, claims: dict[str, Any], refused: int | None
) -> None:
    app = make_app(EXPOSURE="public")
    with app.test_request_context(headers=headers_of(app, user, **claims)):
        task = ProcessingTask("job", owner="ann")
        if refused is None:
            require_owner(task)
            return
        with pytest.raises(HTTPException) as caught:
            require_owner(task)
        assert caught.value.code == refused


def test_a_user_sees_own_tasks_and_an_admin_all(make_app: AppFactory) -> None:
    app = make_app(EXPOSURE="public")
    with app.app_context():
        DB.session.add_all(ProcessingTask("job", owner=o) for o in ("ann", "bob", None))
        DB.session.commit()
    seen = {}
    for user, claims in (("ann", {}), ("root", {"scope": "admin"})):
        with app.test_request_context(headers=headers_of(app, user, **claims)):
            query = visible_to_user(select(ProcessingTask.owner))
            seen[user] = set(DB.session.execute(query).scalars())
    assert seen == {"ann": {"ann"}, "root": {"ann", "bob", None}}
