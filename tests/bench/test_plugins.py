"""The generated plugins: as many as asked for, each with names of its own."""

from pathlib import Path

import pytest

from app_runner.bench.plugins import chain_name, write_plugins


def test_the_asked_number_is_written_and_one_is_the_processor(tmp_path: Path) -> None:
    files = write_plugins(tmp_path / "plugins", 5)
    assert sorted(files) == sorted((tmp_path / "plugins").iterdir())
    assert [file.stem for file in files] == [
        *(f"bench_chain_{number:04d}" for number in range(4)),
        "bench_processor",
    ]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_each_is_python_without_a_placeholder_left(tmp_path: Path, at: int) -> None:
    file = write_plugins(tmp_path, 3)[at]
    text = file.read_text(encoding="utf-8")
    compile(text, str(file), "exec")
    assert "$" not in text


def test_published_ones_differ_in_their_names(tmp_path: Path) -> None:
    texts = [file.read_text() for file in write_plugins(tmp_path, 3, processor=False)]
    assert len(set(texts)) == 3
    assert [chain_name(number) in text for number, text in enumerate(texts)] == [True] * 3
