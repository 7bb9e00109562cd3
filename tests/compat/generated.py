"""Writes a plugin that imports and uses every name of `tests.compat.names`.

A name that is missing makes the plugin fail to load.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.compat.names import (
    ATTRIBUTES,
    DECORATORS,
    FIELD_KEYWORDS,
    FIELDS,
    FORM_METADATA,
    IMPORTS,
    INPUT_TYPES,
    INSTANCE,
    PACKAGE,
    SCRIPT_NAMES,
)
from tests.extending_page import extending

NAME, VERSION = "every name", "v1.0"
IDENTIFIER = "every name@v1-0"


def alias(dotted: str) -> str:
    """Give the name under which the plugin imports ``dotted``."""
    return dotted.replace(".", "__")


def imported() -> Iterator[tuple[str, str]]:
    """Give module and name of each import."""
    for module, names in IMPORTS.items():
        for name in names.split():
            yield module, name


def _imports() -> Iterator[str]:
    yield "import marshmallow as ma"
    yield "from flask import Markup, Response, redirect, render_template"
    yield "from flask import render_template_string"
    yield "from flask.helpers import url_for"
    yield "from flask.views import MethodView"
    yield "from marshmallow.utils import INCLUDE"
    for module, name in imported():
        whole = f"{module}.{name}"
        yield f"from {PACKAGE}.{module} import {name} as {alias(whole)}"
    for whole in ("celery.CELERY", "api.util.SecurityBlueprint", "db.DB"):
        yield f"{whole.rpartition('.')[2]} = {alias(whole)}"


def _plugin() -> Iterator[str]:
    yield f"""
class EveryName(util__plugins__QHAnaPluginBase):
    name, version = "{NAME}", "{VERSION}"
    description = "Uses every name."
    tags = ["names"]

    def __init__(self, app):
        super().__init__(app)
        self.config = app.config.get("EVERY_NAME", {{}})

    def get_api_blueprint(self):
        return BLP

    def get_requirements(self):
        return ""


BLP = SecurityBlueprint(
    util__plugins__plugin_identifier(EveryName.name, EveryName.version),
    __name__,
    description=EveryName.description,
    template_folder="templates",
)
ON_INSTANCE = {{
    name: getattr(EveryName.instance, name) for name in {INSTANCE.split()!r}
}}
"""


def _uses() -> Iterator[str]:
    yield "\ndef uses():"
    yield "    return {"
    for whole, attributes in ATTRIBUTES.items():
        for attribute in attributes.split():
            yield f"        '{whole}.{attribute}': {alias(whole)}.{attribute},"
    yield "    }\n"


ARGUMENTS = {
    "optional": "True",
    "description": '"Described."',
    "required": "False",
    "as_kwargs": "True",
    "bind": "True",
    "ignore_result": "True",
    "autoretry_for": "(ValueError,)",
    "max_retries": "2",
    "retry_backoff": "True",
    "pass_original": "True",
    "content_type": '"text/csv"',
}


def _tasks() -> Iterator[str]:
    for number, keywords in enumerate(DECORATORS["CELERY.task"]):
        name = f'f"{{EveryName.instance.identifier}}.job{number}"'
        values = {**ARGUMENTS, "name": name}
        given = ", ".join(f"{k}={values[k]}" for k in keywords.split())
        yield f"@CELERY.task({given})" if keywords else "@CELERY.task"
        first = "self, " if "bind" in keywords.split() else ""
        yield f"def job{number}({first}db_id):"
        yield f"    return f'job{number} of {{db_id}}'\n"
    yield "FINALIZED = []\n"
    yield "@CELERY.on_after_finalize.connect"
    yield "def finalized(sender, **kwargs):"
    yield "    FINALIZED.append((sender, job1.name in sender.tasks))\n"


def _schema() -> Iterator[str]:
    inner = {"List": "ma.fields.String()", "Nested": "InnerSchema()"}
    yield "class InnerSchema(api__util__MaBaseSchema):"
    yield "    one = ma.fields.String()\n"
    yield "class Schema(api__util__FrontendFormBaseSchema):"
    for number, name in enumerate(FIELDS.split()):
        more = 'metadata={"input_type": "textarea"}'
        arguments = ", ".join(filter(None, (inner.get(name), "allow_none=True", more)))
        yield f"    field{number} = ma.fields.{name}({arguments})"
    for number, (keyword, value) in enumerate(FIELD_KEYWORDS.items()):
        yield f"    keyword{number} = ma.fields.String({keyword}={value})"
    yield "    choice = api__EnumField(api__plugin_schemas__PluginType, missing=None)"
    yield "    file_url = api__util__FileUrl(load_missing=None, missing=None)"
    for kind in ("post_load", "validates_schema"):
        for number, keywords in enumerate(DECORATORS[f"ma.{kind}"]):
            given = ", ".join(f"{k}={ARGUMENTS[k]}" for k in keywords.split())
            yield f"\n    @ma.{kind}({given})" if given else f"\n    @ma.{kind}"
            original = "original, " if keywords else ""
            yield f"    def {kind}{number}(self, data, {original}**kwargs):"
            yield "        return data"


def _views() -> Iterator[str]:
    yield """
@BLP.route("/")
class MetadataView(MethodView):
    @BLP.response(200, api__plugin_schemas__PluginMetadataSchema())
    @BLP.require_jwt("jwt", optional=True)
    def get(self):
        return api__plugin_schemas__PluginMetadata(
            title="Every name", description="", name=EveryName.instance.name,
            version=EveryName.instance.version,
            type=api__plugin_schemas__PluginType.interaction,
            entry_point=api__plugin_schemas__EntryPoint(
                href=url_for(f"{BLP.name}.ProcessView"),
                ui_href=url_for(f"{BLP.name}.ui"),
            ),
        )


@BLP.route("/ui/")
@BLP.html_response(200, description="A form.")
@BLP.arguments(
    Schema(partial=True, unknown=ma.EXCLUDE, validate_errors_as_result=True),
    location="query", required=False,
)
@BLP.require_jwt("jwt", optional=True)
def ui(errors):
    return Response(render_template(
        "simple_template.html", name="Every name", version="v1", schema=Schema(),
        valid=False, values={}, errors=errors, process=url_for(f"{BLP.name}.ProcessView"),
        help_text=Markup("Help."), example_values=None,
    ))


@BLP.route("/process/")
class ProcessView(MethodView):
    @BLP.arguments(Schema(unknown=INCLUDE), location="form")
    @BLP.arguments(InnerSchema(unknown=ma.EXCLUDE), location="query", as_kwargs=True)
    @BLP.response(303, description="The task.")
    @BLP.require_jwt("jwt", optional=True)
    def post(self, arguments, **query):
        task = db__models__tasks__ProcessingTask(task_name=job2.name, parameters="{}")
        task.save(commit=True)
        chain = job2.s(db_id=task.id) | tasks__save_task_result.s(db_id=task.id)
        chain.link_error(tasks__save_task_error.s(db_id=task.id))
        chain.apply_async()
        return redirect(url_for("tasks-api.TaskView", task_id=str(task.id)), 303)


@BLP.route("/table/")
@BLP.response(200, description="A table.", content_type="text/csv")
def table():
    return Response("a", mimetype="text/csv")
"""


INPUTS_PAGE = extending(
    "as_text",
    """
  window.scriptNames = {{ names | tojson }}.filter((name) => name in window);
  sendMessage("implementations-request");
""",
)
INPUTS_VIEW = """
@BLP.route("/inputs/", methods=["GET", "POST"])
@BLP.html_response(200, description="A form with every kind of input.")
@BLP.require_jwt("jwt", optional=True)
def inputs():
    return render_template_string(
        PAGE, name="Inputs", version="v1", schema=InputsSchema(), values={}, errors={},
        process=url_for(f"{BLP.name}.ProcessView"), names=SCRIPT_NAMES,
    )
"""


def _inputs() -> Iterator[str]:
    """Give a form with every kind of input, on a page that extends ours."""
    more = {
        "number": ', "step": 0.5',
        "select": ', "options": {"a": "First", "b": "Second"}',
        "text_with_datalist": ', "datalist": ["alpha", "beta"]',
    }
    yield "class InputsSchema(api__util__FrontendFormBaseSchema):"
    for kind in INPUT_TYPES:
        metadata = f'"label": "{kind}", "input_type": "{kind}"{more.get(kind, "")}'
        yield f"    as_{kind} = ma.fields.String(metadata={{{metadata}}})"
    for name, metadata in FORM_METADATA.items():
        options = f"allow_none=True, metadata={{{' '.join(metadata.split())}}}"
        yield f"    {name} = ma.fields.String({options})"
    yield f"SCRIPT_NAMES = {SCRIPT_NAMES.split()!r}"
    yield f"PAGE = {INPUTS_PAGE!r}"
    yield INPUTS_VIEW


def source() -> str:
    """Give the plugin's code."""
    parts = (_imports, _plugin, _uses, _tasks, _schema, _views, _inputs)
    return "\n".join(line for part in parts for line in part())
