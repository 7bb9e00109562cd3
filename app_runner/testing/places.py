"""Finds the plugin that a test file belongs to."""

from __future__ import annotations

from pathlib import Path

TEST_FOLDERS = ("test", "tests")


def plugin_under_test(test_file: Path) -> Path | None:
    """Give the outermost package around a test file, or the module it is named after."""
    if package := _package(test_file.parent):
        return package
    names = (test_file.stem.removeprefix("test_"), test_file.stem.removesuffix("_test"))
    folders = [test_file.parent]
    if test_file.parent.name in TEST_FOLDERS:
        folders.append(test_file.parent.parent)
    places = [folder / f"{name}.py" for folder in folders for name in names]
    return next((p for p in places if p.is_file() and p != test_file), None)


def _package(folder: Path) -> Path | None:
    if folder.name in TEST_FOLDERS and folder.parent != folder:
        return _package(folder.parent)
    found = None
    while (folder / "__init__.py").is_file():
        found, folder = folder, folder.parent
    return found
