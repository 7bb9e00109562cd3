"""What a plugin tells about itself: type, entry point, data it takes and gives.

Plain values; how they look on the wire is said in `app_runner.api.plugin_schemas`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class PluginType(Enum):
    """What a plugin is for; clients choose where to offer it by this."""

    processing = "processing"
    visualization = "visualization"
    conversion = "conversion"
    dataloader = "dataloader"
    interaction = "interaction"


@dataclass
class DataMetadata:
    """A kind of data: its type (such as ``entity/list``) and how it may be encoded."""

    data_type: str
    content_type: list[str]
    required: bool


@dataclass
class InputDataMetadata(DataMetadata):
    """Data that a plugin takes by URL in one of its parameters."""

    parameter: str


@dataclass
class OutputDataMetadata(DataMetadata):
    """Data that a plugin gives; ``name`` is None when it is not known beforehand."""

    name: str | None


@dataclass
class PluginDependencyMetadata:
    """Another plugin, chosen in a parameter; a tag ``!x`` excludes plugins with x."""

    parameter: str
    required: bool
    name: str | None = None
    version: str | None = None
    tags: list[str] | None = None
    type: PluginType | None = None


@dataclass
class EntryPoint:
    """Where a task is started (``href``) and where the form for it is (``ui_href``)."""

    href: str
    ui_href: str
    data_input: list[DataMetadata] = field(default_factory=list)
    data_output: list[DataMetadata] = field(default_factory=list)
    plugin_dependencies: list[PluginDependencyMetadata] = field(default_factory=list)


@dataclass
class ApiLink:
    """A further resource of a plugin."""

    type: str
    href: str


@dataclass
class PluginMetadata:
    """All that a plugin tells about itself."""

    title: str
    description: str
    name: str
    version: str
    type: PluginType
    entry_point: EntryPoint
    tags: list[str] = field(default_factory=list)
    links: list[ApiLink] = field(default_factory=list)
