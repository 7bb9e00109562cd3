"""Start-up and shutdown of plugins, once per process that makes the app."""

from __future__ import annotations

import atexit
import logging
import os
import traceback

from flask import Flask

from app_runner.babel import add_languages
from app_runner.plugins.base import PluginBase
from app_runner.plugins.registry import PluginRegistry, Problem

LOG = logging.getLogger(__name__)


def start(app: Flask, registry: PluginRegistry) -> None:
    """Call ``on_startup`` of each plugin; what raises becomes a problem."""
    for plugin in registry:
        try:
            with app.app_context():
                if plugin.translations:
                    add_languages(app, plugin.folder / plugin.translations)
                plugin.on_startup()
        except (Exception, SystemExit) as error:  # plugins may raise anything
            LOG.warning("Start-up of %s failed", plugin.identifier, exc_info=True)
            said = f"{type(error).__name__}: {error}"
            problem = (plugin.identifier, "start-up", said, traceback.format_exc())
            registry.problems.append(Problem(*problem))
    if any(type(p).on_shutdown is not PluginBase.on_shutdown for p in registry):
        atexit.register(stop, app, registry, os.getpid())


def stop(app: Flask, registry: PluginRegistry, process: int) -> None:
    """Call ``on_shutdown`` of each plugin, in the process that called ``on_startup``."""
    if os.getpid() != process:
        return
    for plugin in registry:
        try:
            with app.app_context():
                plugin.on_shutdown()
        except (Exception, SystemExit):  # plugins may raise anything
            LOG.exception("Shutdown of %s failed", plugin.identifier)
