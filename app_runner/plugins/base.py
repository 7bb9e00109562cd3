"""The contract of a plugin: name, version, routes, requirements, metadata.

Declaring a class registers nothing; the loader finds it. Knows neither HTTP nor tasks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Flask, current_app
from flask_babel import Domain
from packaging.version import InvalidVersion, Version

from app_runner.errors import PluginLoadError
from app_runner.state import LOADING, state_of

if TYPE_CHECKING:
    from flask import Blueprint

    from app_runner.plugins.registry import PluginRegistry

MAX_NAME = 200


def plugin_identifier(name: str, version: str) -> str:
    """Give the id of a plugin: ``name@version`` with ``.`` turned into ``-``."""
    return f"{name.replace('.', '-')}@{version.replace('.', '-')}"


def loading_app() -> Flask:
    """Give the app that plugins are loaded for, or else the current one."""
    record = LOADING.get()
    if record is not None:
        return record.app
    return current_app._get_current_object()  # type: ignore[attr-defined, no-any-return]


def current_registry() -> PluginRegistry:
    """Give the registry of that app."""
    return state_of(loading_app()).registry


class InstanceOfCurrentRunner:
    """``PluginClass.instance``: the one object of the class in the current runner.

    It is built on first use, also while its module is still being imported, because
    published plugins read ``Plugin.instance.identifier`` in decorators.
    """

    def __get__(self, obj: Any, owner: type[PluginBase]) -> Any:
        """Give the object; errors of its constructor pass through."""
        registry = current_registry()
        return registry.objects.get(owner) or registry.instance_of(owner)


class CurrentApp:
    """``PluginBase.__app__``: the app that plugins are loaded for, or the current one."""

    def __get__(self, obj: Any, owner: type) -> Flask:
        """Give the app."""
        return loading_app()


class PluginBase:
    """Base class of plugins with full control; every option is a class attribute."""

    #: Name, unique together with the version. Required.
    name: str = ""
    #: Version after PEP 440. Required.
    version: str = ""
    #: One sentence or more (Markdown) on what the plugin does.
    description: str = ""
    #: Words that clients group and choose plugins by.
    tags: Sequence[str] = ()
    #: The plugin's own tables (a MetaData of SQLAlchemy), which nothing else touches.
    tables: Any = None
    #: Folder with its migrations, beside its module; None: tables are only created.
    migrations: str | None = None
    #: Folder with catalogues (``de/LC_MESSAGES/messages.mo``), beside its module.
    translations: str | None = None
    #: Name of the module of an object that declares a plugin.
    declared_in: str = ""
    #: Set when the plugin's routes are served.
    has_api: bool = False

    #: Whether objects (not classes) of this type are what a module declares.
    declared_by_object: ClassVar[bool] = False

    instance: ClassVar[Any] = InstanceOfCurrentRunner()
    __app__: ClassVar[Any] = CurrentApp()

    def __init__(self, app: Flask | None = None) -> None:
        """Bind to ``app``; called once per app."""
        self.app = app
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Prepare for ``app``, for instance read settings from ``app.config``."""
        self.app = app

    def on_startup(self) -> None:
        """Do what is to be done once per process, when all plugins have loaded."""

    def on_shutdown(self) -> None:
        """Undo it, when a process that called `on_startup` ends by itself."""

    @property
    def identifier(self) -> str:
        """Give the id, which is also the last part of the plugin's URL."""
        return plugin_identifier(self.name, self.version)

    @property
    def folder(self) -> Path:
        """Give the folder that the plugin's module lies in."""
        module = sys.modules.get(self.declared_in or type(self).__module__)
        return Path(getattr(module, "__file__", None) or ".").parent

    @cached_property
    def texts(self) -> Domain:
        """Give what translates the plugin's texts: ``texts.gettext("…")``, also lazy."""
        folders = [str(self.folder / self.translations)] if self.translations else []
        return Domain(translation_directories=folders or None)

    def told(self, text: Any) -> Any:
        """Give a text in the language of who asks, if the plugin has catalogues for it.

        What is no text, such as one that is translated already, is given back.
        """
        if not (self.translations and isinstance(text, str) and text):
            return text
        return self.texts.lazy_gettext(text)

    @property
    def parsed_version(self) -> Version:
        """Give the version in a form that compares after PEP 440."""
        return Version(self.version)

    def get_api_blueprint(self) -> Blueprint:
        """Give the routes; NotImplementedError means that there are none."""
        raise NotImplementedError

    def get_requirements(self) -> str:
        """Give requirements as in a requirements file; NotImplementedError: none."""
        raise NotImplementedError


def check_declaration(plugin: PluginBase) -> None:
    """Raise `PluginLoadError` unless name and version can be used."""
    name, version = plugin.name, plugin.version
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
        raise PluginLoadError(f"the plugin needs a name (a text), not {name!r}")
    if set(name) & set("/\\@?#%<>") or not name.isprintable():
        raise PluginLoadError(f"the name {name!r} has characters that a URL cannot carry")
    if not isinstance(version, str) or not version.strip():
        raise PluginLoadError(f"plugin {name!r} has no version")
    try:
        Version(version)
    except InvalidVersion:
        raise PluginLoadError(
            f"plugin {name!r} has the version {version!r}, which is none after PEP 440"
        ) from None
    tags = plugin.tags if isinstance(plugin.tags, list | tuple) else [None]
    if not all(isinstance(tag, str) for tag in tags):
        raise PluginLoadError(f"the tags of plugin {name!r} must be a list of texts")
