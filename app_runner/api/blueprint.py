"""The blueprint of plugins and of the runner itself: flask-smorest's, with login and HTML."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import current_app
from flask_smorest import Blueprint
from flask_smorest.utils import deepupdate

from app_runner.api import login
from app_runner.api.arguments import PARSER
from app_runner.api.converters import sign_task_ids

View = Callable[..., Any]
Decorator = Callable[[Any], Any]


class SecurityBlueprint(Blueprint):  # type: ignore[misc]
    """A blueprint whose views can ask for a token and answer with HTML."""

    ARGUMENTS_PARSER = PARSER

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what flask-smorest's blueprint takes."""
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(self._prepare_security_doc)

    def add_url_rule(self, rule: str, *args: Any, **kwargs: Any) -> None:
        """Add a rule; ids of tasks in it are signed."""
        super().add_url_rule(sign_task_ids(rule), *args, **kwargs)

    def require_jwt(
        self,
        security_scheme: str | dict[str, Any] = "jwt",
        *,
        fresh: bool = False,
        optional: bool = False,
        refresh_token: bool = False,
    ) -> Decorator:
        """Let a view (function or class) ask for a token; it is documented too."""
        scheme = (
            {security_scheme: []} if isinstance(security_scheme, str) else security_scheme
        )
        check = login.require_jwt(
            optional=optional, fresh=fresh, refresh_token=refresh_token
        )

        def decorate(view: View) -> View:
            checked = check(view)
            checked._apidoc = deepcopy(getattr(view, "_apidoc", {}))  # type: ignore[attr-defined]
            checked._apidoc["security"] = [scheme, {}] if optional else [scheme]  # type: ignore[attr-defined]
            return checked

        return lambda obj: self._decorate_view_func_or_method_view(decorate, obj)

    def html_response(
        self,
        status_code: int | str | HTTPStatus,
        *,
        description: str | None = None,
        example: Any = None,
        examples: Any = None,
        headers: dict[str, Any] | None = None,
        success: bool = True,
    ) -> Decorator:
        """Document that a view answers with HTML, and set its status."""
        code = int(status_code)
        content = {"schema": {"type": "string"}, "example": example, "examples": examples}
        documented: dict[str, Any] = {
            "description": description or HTTPStatus(code).phrase,
            "content": {"text/html": {k: v for k, v in content.items() if v is not None}},
        }
        if headers:
            documented["headers"] = headers

        def decorate(view: View) -> View:
            @wraps(view)
            def answer(*args: Any, **kwargs: Any) -> Any:
                result = current_app.ensure_sync(view)(*args, **kwargs)
                if not success or isinstance(result, tuple):
                    return result
                response = current_app.make_response(result)
                response.status_code = (
                    code if response.status_code == 200 else response.status_code
                )
                return response

            apidoc = deepcopy(getattr(view, "_apidoc", {}))
            manual = {"responses": {str(code): documented}}
            apidoc["manual_doc"] = deepupdate(apidoc.get("manual_doc", {}), manual)
            answer._apidoc = apidoc  # type: ignore[attr-defined]
            return answer

        return lambda obj: self._decorate_view_func_or_method_view(decorate, obj)

    @staticmethod
    def _prepare_security_doc(doc: Any, doc_info: Any, **_kwargs: Any) -> Any:
        if "security" in doc_info:
            doc["security"] = doc_info["security"]
        return doc
