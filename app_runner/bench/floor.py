"""The least a Flask and Celery application can do, which the runner is measured against.

This file is copied into a folder of its own and started there, so that its processes
load nothing of the runner: it must not import `app_runner`. It has no database; a task is
a chain of two tasks that do nothing, its status is what the result backend says. Other
answers are constants, as long as the runner's (`FLOOR_SIZES`: path -> bytes, JSON).
"""

import json
import os

from celery import Celery, chain
from celery.result import AsyncResult
from flask import Flask, Response, jsonify, redirect, url_for
from werkzeug.wrappers import Response as BaseResponse

celery = Celery(
    "floor", broker=os.environ["BROKER_URL"], backend=os.environ["BROKER_URL"]
)
# The runner's settings, less those that only durability needs (late acknowledgement).
celery.conf.update(
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    result_accept_content=["json"],
    result_expires=600,
    worker_prefetch_multiplier=1,
)


@celery.task(name="floor.work")
def work() -> str:
    """Do nothing, as the plugins of the bench."""
    return "done"


@celery.task(name="floor.finish")
def finish(log: str) -> str:
    """Do nothing where the runner saves the result."""
    return log


def constant(size: int) -> bytes:
    """Give a JSON object that is `size` bytes long (at least 11)."""
    return json.dumps({"text": "x" * max(0, size - 12)}).encode()


def add_constant(app: Flask, path: str, size: int) -> None:
    """Answer `path` with the same `size` bytes each time."""
    body = constant(size)

    def answer() -> Response:
        return Response(body, mimetype="application/json")

    app.add_url_rule(path, f"constant {path}", answer)


def create_floor() -> Flask:
    """Build the application; its settings come from the environment."""
    app = Flask("floor")
    for path, size in json.loads(os.environ.get("FLOOR_SIZES", "{}")).items():
        add_constant(app, path, size)

    @app.post("/process/")
    def process() -> BaseResponse:
        result = chain(work.s(), finish.s()).apply_async()
        return redirect(url_for("status", task_id=result.id), 303)

    @app.get("/tasks/<task_id>/")
    def status(task_id: str) -> Response:
        result: AsyncResult[str] = AsyncResult(task_id, app=celery)
        return jsonify(status=result.status, log=result.result, links=[], outputs=[])

    return app


app = create_floor()
