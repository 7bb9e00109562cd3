"""Settings of Sphinx: `sphinx-build -W docs docs/_build`; no network is needed."""

from __future__ import annotations

import tomllib
from pathlib import Path

PROJECT = tomllib.loads(
    (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
)["project"]

project = "App Runner"
author = "The App Runner authors"
release = version = PROJECT["version"]
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True
html_theme = "alabaster"
html_show_sourcelink = False
html_theme_options = {"description": PROJECT["description"], "page_width": "1100px"}
