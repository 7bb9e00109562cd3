"""Colours: texts and edges can be told from what is behind them, in light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import app_runner.ui

CSS = (Path(app_runner.ui.__file__).parent / "static" / "forms.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#\w{6});", part)) for part in CSS.split("@media")[:2]
)


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definition "relative luminance")."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        *(
            (text, back, 4.5)
            for text in ("text", "muted", "accent", "error", "good")
            for back in ("page", "surface")
        ),
        ("text", "error-surface", 4.5),
        ("accent", "error-surface", 4.5),
        ("on-accent", "accent", 4.5),
        ("edge", "page", 3.0),
        ("edge", "surface", 3.0),
    ],
)
def test_contrast_is_enough(
    colours: dict[str, str], front: str, back: str, least: float
) -> None:
    assert contrast(colours[front], colours[back]) >= least
