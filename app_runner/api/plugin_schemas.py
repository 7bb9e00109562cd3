"""How plugin metadata and webhook calls look on the wire.

The plain values are in `app_runner.plugins.metadata`.
"""

from __future__ import annotations

from typing import Any, TypedDict

from marshmallow import fields, post_dump

from app_runner.api.fields import EnumField, FileUrl
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.url_check import WEB_SCHEMES
from app_runner.plugins.metadata import (
    ApiLink,
    DataMetadata,
    EntryPoint,
    InputDataMetadata,
    OutputDataMetadata,
    PluginDependencyMetadata,
    PluginMetadata,
    PluginType,
)

__all__ = [
    "ApiLink",
    "ApiLinkSchema",
    "DataMetadata",
    "DataMetadataSchema",
    "EntryPoint",
    "EntryPointSchema",
    "InputDataMetadata",
    "InputDataMetadataSchema",
    "MaBaseSchema",
    "OutputDataMetadata",
    "OutputDataMetadataSchema",
    "PluginDependencyMetadata",
    "PluginDependencyMetadataSchema",
    "PluginMetadata",
    "PluginMetadataSchema",
    "PluginType",
    "WebhookParams",
    "WebhookParamsSchema",
]


class WebhookParams(TypedDict):
    """What the query of a webhook call tells: the task's URL and what happened to it."""

    source: str
    event: str | None


class WebhookParamsSchema(MaBaseSchema):
    """The query of a webhook call."""

    source = FileUrl(required=True, allow_none=False, schemes=WEB_SCHEMES)
    event = fields.String(required=False, allow_none=True)


class DataMetadataSchema(MaBaseSchema):
    """A kind of data."""

    data_type = fields.String(required=True)
    content_type = fields.List(fields.String(), required=True)
    required = fields.Boolean(required=True)


class InputDataMetadataSchema(DataMetadataSchema):
    """Data taken in ``parameter``; the key is absent when the plugin names none."""

    parameter = fields.String(required=False)


class OutputDataMetadataSchema(DataMetadataSchema):
    """Data given; ``name`` is null when unknown, absent when the plugin leaves it out."""

    name = fields.String(required=False, allow_none=True)


class PluginDependencyMetadataSchema(MaBaseSchema):
    """A plugin that is chosen in a parameter; what is not asked for is absent."""

    parameter = fields.String(required=True)
    name = fields.String(required=False)
    version = fields.String(required=False)
    tags = fields.List(fields.String(), required=False)
    type = EnumField(PluginType, required=False)
    required = fields.Boolean(required=True)

    @post_dump
    def drop_what_is_not_asked_for(
        self, data: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        """Leave out keys without a value; clients take null for a value."""
        return {key: value for key, value in data.items() if value is not None}


class EntryPointSchema(MaBaseSchema):
    """Where tasks are started, and with what."""

    href = fields.String(required=True)
    ui_href = fields.String(required=True)
    plugin_dependencies = fields.List(fields.Nested(PluginDependencyMetadataSchema()))
    data_input = fields.List(fields.Nested(InputDataMetadataSchema()))
    data_output = fields.List(fields.Nested(OutputDataMetadataSchema()))


class ApiLinkSchema(MaBaseSchema):
    """A further resource of a plugin."""

    type = fields.String(required=True)
    href = fields.String(required=True)


class PluginMetadataSchema(MaBaseSchema):
    """All that a plugin tells about itself."""

    title = fields.String(required=True)
    description = fields.String(required=True)
    name = fields.String(required=True)
    version = fields.String(required=True)
    type = EnumField(PluginType, required=True)
    entry_point = fields.Nested(EntryPointSchema(), required=True)
    tags = fields.List(fields.String())
    links = fields.List(fields.Nested(ApiLinkSchema()))

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """Dump ``obj``, without the field machinery when it is plain metadata.

        Clients and registries read this resource most often; the fields cost ten times as
        much as writing the dict down. A test holds both ways equal.
        """
        if type(obj) is PluginMetadata and self._is_whole and not many and not self.many:
            return metadata_document(obj)
        return super().dump(obj, many=many)

    @property
    def _is_whole(self) -> bool:
        """Tell that all is dumped as declared: no subclass, no ``only``, ``exclude`` …"""
        return (
            type(self) is PluginMetadataSchema
            and self.only is None
            and not (self.exclude or self.load_only)
        )


def metadata_document(metadata: PluginMetadata) -> dict[str, Any]:
    """Write plugin metadata as it goes over the wire; lazy texts become texts here."""
    return {
        "title": str(metadata.title),
        "description": str(metadata.description),
        "name": str(metadata.name),
        "version": str(metadata.version),
        "type": metadata.type.name,
        "entryPoint": _entry_point(metadata.entry_point),
        "tags": list(metadata.tags),
        "links": [{"type": link.type, "href": link.href} for link in metadata.links],
    }


def _entry_point(entry_point: EntryPoint) -> dict[str, Any]:
    dependencies = entry_point.plugin_dependencies
    return {
        "href": entry_point.href,
        "uiHref": entry_point.ui_href,
        "pluginDependencies": [_dependency(one) for one in dependencies],
        "dataInput": [_data(one, "parameter") for one in entry_point.data_input],
        "dataOutput": [_data(one, "name") for one in entry_point.data_output],
    }


def _data(data: DataMetadata, name_attribute: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "dataType": data.data_type,
        "contentType": list(data.content_type),
        "required": data.required,
    }
    if hasattr(data, name_attribute):
        document[name_attribute] = getattr(data, name_attribute)
    return document


def _dependency(dependency: PluginDependencyMetadata) -> dict[str, Any]:
    document = {
        "parameter": dependency.parameter,
        "name": dependency.name,
        "version": dependency.version,
        "tags": None if dependency.tags is None else list(dependency.tags),
        "type": None if dependency.type is None else dependency.type.name,
        "required": dependency.required,
    }
    return {key: value for key, value in document.items() if value is not None}
