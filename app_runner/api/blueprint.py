"""The blueprint of plugins and of the runner: flask-smorest's, with login and HTML."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from http import HTTPStatus
from typing import Any, cast

from flask import current_app, request
from flask_smorest import Blueprint
from flask_smorest.utils import deepupdate, get_appcontext, resolve_schema_instance
from werkzeug.wrappers import Response as BaseResponse

from app_runner.api import gate, login, operations
from app_runner.api.arguments import PARSER
from app_runner.api.converters import sign_task_ids
from app_runner.api.plugin_schemas import PluginMetadataSchema
from app_runner.api.view_docs import ViewDocs, of_view
from app_runner.application import blocking
from app_runner.state import BRIEF

View = Callable[..., Any]
Decorator = Callable[[Any], Any]


class SecurityBlueprint(Blueprint):
    """A blueprint whose views can ask for a token and answer with HTML."""

    ARGUMENTS_PARSER = PARSER

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what flask-smorest's blueprint takes."""
        super().__init__(*args, **kwargs)
        self._docs = ViewDocs()
        self._prepare_doc_cbks += [self._prepare_security_doc, self._prepare_errors_doc]

    def add_url_rule(self, rule: str, *args: Any, **kwargs: Any) -> None:
        """Add a rule; ids of tasks in it are signed."""
        rule, known = sign_task_ids(rule), set(self._docs)
        super().add_url_rule(rule, *args, **kwargs)
        for endpoint in self._docs.keys() - known:
            for method, info in self._docs[endpoint].items():
                if method != "parameters":
                    info["rule"] = rule

    def require_jwt(
        self,
        security_scheme: str | dict[str, Any] = "jwt",
        *,
        fresh: bool = False,
        optional: bool = False,
        refresh_token: bool = False,
        scopes: Collection[str] = (),
    ) -> Decorator:
        """Let a view (function or class) ask for a token; it is documented too.

        Scopes that are needed stand in ``scopes``, or in the scheme as in OpenAPI:
        ``{"jwt": ["lab"]}``.
        """
        scheme = (
            {security_scheme: []} if isinstance(security_scheme, str) else security_scheme
        )
        needed = {*scopes, *(scope for found in scheme.values() for scope in found)}
        check = login.require_jwt(
            optional=optional, fresh=fresh, refresh_token=refresh_token, scopes=needed
        )

        def decorate(view: View) -> View:
            checked: Any = check(view)
            checked._apidoc = of_view(view)
            checked._apidoc["security"] = scheme
            checked._apidoc["login_is_optional"] = optional and not needed
            checked._apidoc["scopes"] = sorted(needed)
            return cast(View, checked)

        return lambda obj: self._decorate_view_func_or_method_view(decorate, obj)

    def response(
        self, status_code: int | str | HTTPStatus, schema: Any = None, **documented: Any
    ) -> Decorator:
        """Document and write what a view answers, as flask-smorest does.

        What a schema dumps takes a shorter way to the same answer.
        """
        described = super().response(status_code, schema, **documented)
        dumper = resolve_schema_instance(schema)
        if not hasattr(dumper, "dump"):
            return cast(Decorator, described)
        code = int(status_code)
        is_brief = isinstance(dumper, PluginMetadataSchema)

        def decorate(view: View) -> View:
            finish, called = described(wraps(view)(lambda result: result)), blocking(view)

            @wraps(finish)
            def answer(*args: Any, **kwargs: Any) -> Any:
                result = called(*args, **kwargs)
                if isinstance(result, tuple | BaseResponse):
                    return finish(result)
                dumped = dumper.dump(result)
                content = self._prepare_response_content(dumped)
                response: Any = current_app.json.response(content)
                response.dumped = dumped
                if is_brief:
                    request.environ[BRIEF] = True
                response.status_code = code
                return response

            answer.__wrapped__ = view
            return answer

        return lambda obj: self._decorate_view_func_or_method_view(decorate, obj)

    def _set_etag_in_response(self, response: Any) -> None:
        if hasattr(response, "dumped"):
            get_appcontext()["result_dump"] = response.dumped
        base: Any = super()
        base._set_etag_in_response(response)

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
            called = blocking(view)

            @wraps(view)
            def answer(*args: Any, **kwargs: Any) -> Any:
                result = called(*args, **kwargs)
                if not success or isinstance(result, tuple):
                    return result
                response = current_app.make_response(result)
                response.status_code = (
                    code if response.status_code == 200 else response.status_code
                )
                return response

            apidoc = of_view(view)
            manual = {"responses": {str(code): documented}}
            apidoc["manual_doc"] = deepupdate(apidoc.get("manual_doc", {}), manual)
            answer._apidoc = apidoc  # type: ignore[attr-defined]
            return answer

        return lambda obj: self._decorate_view_func_or_method_view(decorate, obj)

    @staticmethod
    def file_response(description: str = "The bytes of the file.") -> Decorator:
        """Document that a view answers with a file, in ranges and conditionally."""
        documented: Decorator = Blueprint.doc(
            responses=operations.file_responses(description)
        )
        return documented

    def _prepare_arguments_doc(
        self, doc: Any, doc_info: Any, *, api: Any, spec: Any, **kwargs: Any
    ) -> Any:
        if "arguments" in doc_info:
            operations.join_bodies(doc_info["arguments"], api.ma_plugin.converter)
        doc = super()._prepare_arguments_doc(doc, doc_info, api=api, spec=spec, **kwargs)
        operations.offer_form_types(doc)
        return doc

    @staticmethod
    def _prepare_errors_doc(
        doc: Any, doc_info: Any, *, app: Any, method: str, **_kwargs: Any
    ) -> Any:
        operations.document_errors(doc, doc_info)
        if gate.refuses(app, method):
            operations.document_gate(doc, doc_info)
        return doc

    @staticmethod
    def _prepare_security_doc(
        doc: Any, doc_info: Any, *, app: Any, method: str, **_kwargs: Any
    ) -> Any:
        operations.document_logins(doc, doc_info, gate.needs_login(app, method))
        return doc
