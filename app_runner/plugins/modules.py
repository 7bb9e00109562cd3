"""Imports plugins by file location under a private module prefix.

A plugin file named ``json.py`` works and shadows nothing, two plugins may have the same
file names inside, and relative imports work. Module names follow from names of files
and their order, never from absolute paths. A child process that is started by ``spawn``
cannot import these modules (docs/adr/0001).
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import ClassVar

PREFIX = "runner_plugins"
#: Files that stand beside plugins but are none.
NOT_PLUGINS = re.compile(r"[._].*|setup|conftest|tests?|test_.*|.*_test")


@dataclass(frozen=True)
class Candidate:
    """A file or package that may declare plugins."""

    path: Path  # the .py file, or the folder of the package

    @property
    def stem(self) -> str:
        """Give the name without ending."""
        return self.path.name if self.path.is_dir() else self.path.stem

    @property
    def file(self) -> Path:
        """Give the file that is executed first."""
        return self.path / "__init__.py" if self.path.is_dir() else self.path


def candidates(folder: Path) -> Iterator[Candidate]:
    """Give what may be a plugin in ``folder``, sorted by name; raises ``OSError``.

    A folder that is a package itself is one candidate, and so is a single file.
    """
    if (folder / "__init__.py").is_file() or folder.is_file():
        yield Candidate(folder)
        return
    for path in sorted(folder.iterdir()):
        if _may_declare(path) and not NOT_PLUGINS.fullmatch(Candidate(path).stem):
            yield Candidate(path)


def _may_declare(path: Path) -> bool:
    try:
        if path.is_dir():
            return (path / "__init__.py").is_file()
        return path.is_file() and path.suffixes == [".py"]
    except OSError:  # not allowed to look into it; loading it will say so
        return True


class PrivateModules:
    """The modules of one app's plugins: all below one package of its own."""

    #: Runs the first file of each plugin; the assembly puts one here that knows styles.
    source_loader: ClassVar[type[SourceFileLoader]] = SourceFileLoader

    def __init__(self) -> None:
        """Take the first prefix that no other app of this process uses."""
        self.prefix, number = PREFIX, 1
        while self.prefix in sys.modules:
            number += 1
            self.prefix = f"{PREFIX}_{number}"
        self._root = ModuleType(self.prefix)
        self._root.__path__ = []
        sys.modules[self.prefix] = self._root

    def load(self, candidate: Candidate) -> str:
        """Import the candidate and give its module's name.

        Whatever its code raises passes through; nothing is left in that case.
        """
        name = self._free_name(candidate.stem)
        places = [str(candidate.path)] if candidate.path.is_dir() else None
        spec = importlib.util.spec_from_file_location(
            name,
            candidate.file,
            loader=self.source_loader(name, str(candidate.file)),
            submodule_search_locations=places,
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"{candidate.file} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        setattr(self._root, name.rpartition(".")[2], module)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            self.unload(name)
            raise
        return name

    def unload(self, name: str) -> None:
        """Forget a module and all below it."""
        for known in [n for n in sys.modules if n == name or n.startswith(f"{name}.")]:
            del sys.modules[known]
        self._root.__dict__.pop(name.rpartition(".")[2], None)

    def modules(self, name: str) -> list[ModuleType]:
        """Give a loaded module and all that were imported below it."""
        found = []
        for known in reversed(list(sys.modules)):  # what is imported later stands later
            if known == name or known.startswith(f"{name}."):
                found.append(sys.modules[known])
            if known == name:
                break
        return found[::-1]

    def _free_name(self, stem: str) -> str:
        base = f"{self.prefix}.{stem.replace('.', '_')}"
        name, number = base, 1
        while name in sys.modules:
            number += 1
            name = f"{base}_{number}"
        return name
