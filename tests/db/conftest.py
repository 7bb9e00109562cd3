"""Tests of the database change no app, so that they can share one."""

from __future__ import annotations

import pytest
from flask import Flask


@pytest.fixture
def app(shared_app: Flask) -> Flask:
    """Give the shared app, with empty tables."""
    return shared_app
