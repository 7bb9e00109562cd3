"""Old names and habits: what published plugins import, and how they use it.

Importing this package answers the old names in the whole process. As a plugin of pytest
(``pytest -p app_runner.compat``) it also runs a published plugin's own tests.
"""

from __future__ import annotations

from typing import Any

from app_runner.compat import finder, sources

__all__ = ["install"]


def install() -> None:
    """Answer the old names, and let plugins have old habits; once per process."""
    if finder.install():
        sources.install()


def pytest_configure(config: Any) -> None:
    """Begin a session in which plugins are imported by their own names."""
    from app_runner.compat import plugin_tests

    plugin_tests.begin(config)


install()
