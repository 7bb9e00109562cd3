"""The log of a task's webhooks: whom it told what, and what they answered."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from flask.views import MethodView
from marshmallow import fields

from app_runner.api.identity import require_owner
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.tasks import BLUEPRINT
from app_runner.db.models import WebhookDelivery
from app_runner.tasks import deliveries, records
from app_runner.tasks.deliveries import AS_OWNER


class TrySchema(MaBaseSchema):
    """One try: the status of the answer, or the error when there was none."""

    at = fields.String(required=True)
    status = fields.Integer(required=True, allow_none=True)
    seconds = fields.Float(required=True)
    error = fields.String()


class DeliverySchema(MaBaseSchema):
    """What one receiver is told; the id is the same at each try.

    Without ``outcome`` it is tried again ``dueAt``.
    """

    id = fields.String(required=True)
    event = fields.String(required=True)
    receiver = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    due_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True)
    tries = fields.List(fields.Nested(TrySchema()), required=True)


class DeliveriesSchema(MaBaseSchema):
    """All deliveries of a task, oldest first."""

    deliveries = fields.List(fields.Nested(DeliverySchema()), required=True)


@BLUEPRINT.route("/<signed_task:task_id>/deliveries")
class DeliveriesView(MethodView):
    """The webhooks of one task."""

    @BLUEPRINT.response(HTTPStatus.OK, DeliveriesSchema())
    @BLUEPRINT.doc(
        responses={"401": {}, "403": {}, "404": {"description": "There is no such task."}}
    )
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, task_id: int) -> dict[str, Any]:
        """Give what receivers of webhooks were told of the task, and their answers.

        To the owner only: the path of a receiver may be a secret too.
        """
        require_owner(records.get(task_id))
        return {"deliveries": [_described(row) for row in deliveries.of_task(task_id)]}


def _described(row: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": row.message_id,
        "event": row.event_type,
        "receiver": _without_secrets(row.webhook_href.removeprefix(AS_OWNER)),
        "created_at": row.created_at,
        "due_at": row.due_at,
        "finished_at": row.finished_at,
        "outcome": row.outcome,
        "tries": row.tries,
    }


def _without_secrets(url: str) -> str:
    """Leave out user and query, which may hold what only the receiver should know."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()
