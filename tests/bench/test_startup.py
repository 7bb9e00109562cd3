"""The stopwatch sees the modules of one folder, once, and leaves the loader as it was."""

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from app_runner.bench.startup import timed_imports


def execute(file: Path) -> None:
    spec = spec_from_file_location(f"stopwatch_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module_from_spec(spec))


def test_modules_below_the_folder_are_counted_and_timed(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import time\n")
    with timed_imports(str(tmp_path)) as watch:
        execute(tmp_path / "one.py")
    assert watch.modules == 1
    assert watch.seconds > 0


def test_modules_elsewhere_are_not(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside.py").write_text("")
    with timed_imports(str(tmp_path / "inside")) as watch:
        execute(tmp_path / "outside.py")
    assert (watch.modules, watch.seconds) == (0, 0.0)


def test_a_module_that_imports_another_is_timed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench_inner.py").write_text(
        "import hashlib; hashlib.md5(b'x' * 10**6)\n"
    )
    (tmp_path / "outer.py").write_text(
        "import time; start = time.process_time()\n"
        "import bench_inner\n"
        "bench_inner.seconds = time.process_time() - start\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with timed_imports(str(tmp_path)) as watch:
        execute(tmp_path / "outer.py")
    inner = vars(sys.modules.pop("bench_inner"))["seconds"]
    assert watch.modules == 2
    assert watch.seconds >= inner
    assert watch.depth == 0


def test_the_loader_is_as_before_also_after_an_error(tmp_path: Path) -> None:
    before = SourceFileLoader.exec_module
    (tmp_path / "broken.py").write_text("raise LookupError('broken')\n")
    with pytest.raises(LookupError, match="broken"), timed_imports(str(tmp_path)):
        execute(tmp_path / "broken.py")
    assert SourceFileLoader.exec_module is before
    assert "exec_module" not in vars(SourceFileLoader)
