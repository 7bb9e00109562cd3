"""Fixtures: the pages of `site_under_test`, served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.ui.site_under_test import build_app, build_host, served


@pytest.fixture
def app() -> Flask:
    """Give the app of these tests."""
    return build_app()


@pytest.fixture(scope="session")
def shared_app() -> Flask:
    """Give one app for all examples of a property."""
    return build_app()


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """Serve the app of these tests."""
    with served(app) as url:
        yield url


@pytest.fixture
def host(site: str) -> Iterator[str]:
    """Serve a page of another origin that frames the form."""
    with served(build_host(f"{site}/ui/")) as url:
        yield url
