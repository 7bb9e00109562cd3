"""Writes the plugins of the bench: many in the style of published ones, one processor.

None of them does any work, so what is measured is the runner's.
"""

from pathlib import Path
from string import Template

CHAIN_NAME = "bench-chain-{number:04d}"
PROCESSOR_NAME = "bench-processor"
VERSION = "1.0.0"
# The form field of both kinds of plugin and what is submitted in it.
FORM = "inputStr=bench"

_PROCESSOR = Template('''"""The processor of the bench: it does nothing."""

from app_runner.plugin_api import Plugin

plugin = Plugin("$name", "$version", title="Bench processor", tags=["bench"])


@plugin.processor()
def work(input_str: str) -> str:
    """Do nothing."""
    return "done"
''')

_PUBLISHED = Template(
    '''"""Plugin $number of the bench: metadata, form, entry point, task without work."""

from http import HTTPStatus
from typing import Mapping, Optional

import marshmallow as ma
from flask import Flask, Response, redirect, render_template, request, url_for
from flask.views import MethodView
from qhana_plugin_runner.api.plugin_schemas import (
    DataMetadata,
    EntryPoint,
    PluginMetadata,
    PluginMetadataSchema,
    PluginType,
)
from qhana_plugin_runner.api.util import FrontendFormBaseSchema, SecurityBlueprint
from qhana_plugin_runner.celery import CELERY
from qhana_plugin_runner.db.models.tasks import ProcessingTask
from qhana_plugin_runner.tasks import save_task_error, save_task_result
from qhana_plugin_runner.util.plugins import QHAnaPluginBase, plugin_identifier

_plugin_name = "$name"
__version__ = "$version"
_identifier = plugin_identifier(_plugin_name, __version__)

BLP = SecurityBlueprint(
    _identifier, __name__, description="Plugin $number of the bench."
)


class Parameters$number(FrontendFormBaseSchema):
    input_str = ma.fields.String(
        required=True,
        allow_none=False,
        metadata={"label": "Text", "description": "Any text.", "input_type": "textarea"},
    )
    repeat = ma.fields.Integer(
        load_default=1, metadata={"label": "Times", "description": "A number."}
    )
    shout = ma.fields.Boolean(load_default=False, metadata={"label": "Shout"})


@BLP.route("/")
class PluginView(MethodView):
    """The plugin's metadata."""

    @BLP.response(HTTPStatus.OK, PluginMetadataSchema())
    @BLP.require_jwt("jwt", optional=True)
    def get(self):
        """Metadata of plugin $number."""
        return PluginMetadata(
            title="Bench plugin $number",
            description=Bench$number.instance.description,
            name=Bench$number.instance.name,
            version=Bench$number.instance.version,
            type=PluginType.processing,
            entry_point=EntryPoint(
                href=url_for(f"{BLP.name}.ProcessView"),
                ui_href=url_for(f"{BLP.name}.FormView"),
                data_input=[],
                data_output=[
                    DataMetadata(
                        data_type="text", content_type=["text/plain"], required=True
                    )
                ],
            ),
            tags=Bench$number.instance.tags,
        )


@BLP.route("/ui/")
class FormView(MethodView):
    """The form."""

    @BLP.html_response(HTTPStatus.OK, description="The form of plugin $number.")
    @BLP.arguments(
        Parameters$number(
            partial=True, unknown=ma.EXCLUDE, validate_errors_as_result=True
        ),
        location="query",
        required=False,
    )
    @BLP.require_jwt("jwt", optional=True)
    def get(self, errors):
        """The form, filled in from the query."""
        return self.render(request.args, errors)

    @BLP.html_response(HTTPStatus.OK, description="The form of plugin $number.")
    @BLP.arguments(
        Parameters$number(
            partial=True, unknown=ma.EXCLUDE, validate_errors_as_result=True
        ),
        location="form",
        required=False,
    )
    @BLP.require_jwt("jwt", optional=True)
    def post(self, errors):
        """The form with the errors in it."""
        return self.render(request.form, errors)

    def render(self, data: Mapping, errors: dict):
        return Response(
            render_template(
                "simple_template.html",
                name=Bench$number.instance.name,
                version=Bench$number.instance.version,
                schema=Parameters$number(),
                values=data,
                errors=errors,
                process=url_for(f"{BLP.name}.ProcessView"),
            )
        )


@BLP.route("/process/")
class ProcessView(MethodView):
    """The entry point."""

    @BLP.arguments(Parameters$number(unknown=ma.EXCLUDE), location="form")
    @BLP.response(HTTPStatus.SEE_OTHER)
    @BLP.require_jwt("jwt", optional=True)
    def post(self, arguments):
        """Start the task."""
        db_task = ProcessingTask(
            task_name=work.name, parameters=Parameters$number().dumps(arguments)
        )
        db_task.save(commit=True)
        task = work.s(db_id=db_task.id) | save_task_result.s(db_id=db_task.id)
        task.link_error(save_task_error.s(db_id=db_task.id))
        task.apply_async()
        return redirect(
            url_for("tasks-api.TaskView", task_id=str(db_task.id)), HTTPStatus.SEE_OTHER
        )


class Bench$number(QHAnaPluginBase):
    name = _plugin_name
    version = __version__
    description = "Plugin $number of the bench."
    tags = ["bench"]

    def __init__(self, app: Optional[Flask]) -> None:
        super().__init__(app)

    def get_api_blueprint(self):
        return BLP


@CELERY.task(name=f"{Bench$number.instance.identifier}.work", bind=True)
def work(self, db_id: int) -> str:
    return "done"
'''
)


def chain_name(number: int) -> str:
    """Give the name of a generated plugin in the published style."""
    return CHAIN_NAME.format(number=number)


def write_published(folder: Path, number: int) -> Path:
    """Write one plugin in the published style into `folder` and give its file."""
    file = folder / f"bench_chain_{number:04d}.py"
    text = _PUBLISHED.substitute(
        number=f"{number:04d}", name=chain_name(number), version=VERSION
    )
    file.write_text(text, encoding="utf-8")
    return file


def write_processor(folder: Path) -> Path:
    """Write the processor plugin into `folder` and give its file."""
    file = folder / "bench_processor.py"
    file.write_text(processor_source(PROCESSOR_NAME), encoding="utf-8")
    return file


def processor_source(name: str) -> str:
    """Give the source of a processor."""
    return _PROCESSOR.substitute(name=name, version=VERSION)


def write_plugins(folder: Path, count: int, *, processor: bool = True) -> list[Path]:
    """Write `count` plugins into `folder`, made when missing; one is the processor."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [write_published(folder, number) for number in range(count - processor)]
    return [*files, write_processor(folder)] if processor else files
