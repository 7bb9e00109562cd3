"""Signals about rows that plugins change: ``send(app, plugin_url=…)``."""

from __future__ import annotations

from blinker import Namespace

_SIGNALS = Namespace()

#: A plugin offers another one at a URL (`VirtualPlugin`), or no longer does.
VIRTUAL_PLUGIN_CREATED = _SIGNALS.signal("virtual-plugin_created")
VIRTUAL_PLUGIN_REMOVED = _SIGNALS.signal("virtual-plugin_removed")
