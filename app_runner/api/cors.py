"""Which pages of other origins may call: all, unless the setting names them."""

from __future__ import annotations

from flask import Flask, Response, request
from flask_cors import CORS

from app_runner.state import state_of

MAX_AGE = 600  # seconds that a browser may keep the answer to a preflight


def init_app(app: Flask) -> None:
    """Let the origins of CORS_ORIGINS in; preflights are answered too."""
    origins = list(state_of(app).settings["CORS_ORIGINS"])
    CORS(app, origins=origins, max_age=MAX_AGE)
    if origins == ["*"]:
        # Of a plain request from anywhere there is nothing to compute.
        answer_preflight = app.after_request_funcs[None].pop()
        state_of(app).answer_headers["Access-Control-Allow-Origin"] = "*"

        def of_preflights(response: Response) -> Response:
            if request.method == "OPTIONS":
                return answer_preflight(response)  # type: ignore[return-value]
            return response

        app.after_request(of_preflights)
