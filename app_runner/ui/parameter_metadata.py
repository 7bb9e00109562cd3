"""Reads out of a schema what a plugin's metadata tells: data and plugins it takes."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema
from marshmallow.fields import Field

from app_runner.api.fields import FileUrl, PluginUrl
from app_runner.api.schemas import wire_name
from app_runner.plugins.metadata import (
    EntryPoint,
    InputDataMetadata,
    OutputDataMetadata,
    PluginDependencyMetadata,
)
from app_runner.tasks.handle import Output
from app_runner.ui.plugin_pages import PluginPage
from app_runner.ui.processor_work import Processor


def entry_point(shown: Processor | PluginPage | None) -> EntryPoint:
    """Tell where a processor is started and with what; URLs are relative."""
    if shown is None:
        return EntryPoint(href="./process/", ui_href="./ui/")
    outputs = () if isinstance(shown, PluginPage) else shown.outputs
    return EntryPoint(
        href="./ui/" if isinstance(shown, PluginPage) else "./process/",
        ui_href="./ui/",
        data_input=list(_inputs(shown.schema)),
        data_output=[_output(output) for output in outputs],
        plugin_dependencies=_dependencies(shown.schema),
    )


def _inputs(schema: Schema) -> list[InputDataMetadata]:
    return [
        InputDataMetadata(
            data_type=field.metadata.get("data_input_type") or "*",
            content_type=_content_types(field),
            required=field.required,
            parameter=wire_name(schema, name),
        )
        for name, field in schema.fields.items()
        if isinstance(field, FileUrl) or "data_input_type" in field.metadata
    ]


def _content_types(field: Field[Any]) -> list[str]:
    given = field.metadata.get("data_content_types") or ["*/*"]
    return [given] if isinstance(given, str) else list(given)


def _dependencies(schema: Schema) -> list[PluginDependencyMetadata]:
    return [
        PluginDependencyMetadata(
            parameter=wire_name(schema, name),
            required=field.required,
            name=field.metadata.get("plugin_name"),
            version=field.metadata.get("plugin_version"),
            tags=list(field.metadata.get("plugin_tags") or ()) or None,
            type=field.metadata.get("plugin_type"),
        )
        for name, field in schema.fields.items()
        if isinstance(field, PluginUrl) or "plugin_tags" in field.metadata
    ]


def _output(output: Output) -> OutputDataMetadata:
    return OutputDataMetadata(
        data_type=output.data_type,
        content_type=[output.content_type],
        required=output.required,
        name=output.name,
    )
