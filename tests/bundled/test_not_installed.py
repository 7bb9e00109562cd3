"""Without the extra packages, plugins that need them are listed and take no tasks."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas
import pytest

from app_runner.config import PROJECT, ROWS
from app_runner.launch.examples import examples_are_there

EXAMPLES = ("pandas", "matplotlib", "scikit-learn", "astropy", "openpyxl", "pyarrow")
LACKING = {
    "table-profile": "matplotlib>=3.10, openpyxl>=3.1, pandas>=2.2, pyarrow>=18.0",
    "k-means": "matplotlib>=3.10, pandas>=2.2, scikit-learn>=1.6",
    "image-cutout": "astropy>=7.0",
    "image-thumbnail": "astropy>=7.0",
    "data-converter": "pyarrow>=18.0",
}
LOOK = """
import json, sys
from app_runner import create_app
app = create_app({"EXPOSURE": "local", "BROKER_URL": "redis://127.0.0.1:1/0"})
client = app.test_client()
found = {"problems": client.get("/problems/").json["problems"], "answers": {}}
for plugin in client.get("/plugins/").json["plugins"]:
    answer = client.post(f"/plugins/{plugin['identifier']}/process/")
    reading = client.get(f"/plugins/{plugin['identifier']}/").status_code
    told = (answer.json or {}).get("message", "")
    found["answers"][plugin["name"]] = [reading, answer.status_code, told]
print(json.dumps(found))
"""
IMPORTED = """
import sys
from app_runner import create_app
create_app({"EXPOSURE": "local", "BROKER_URL": "redis://127.0.0.1:1/0"})
print(*{name.partition(".")[0] for name in sys.modules})
"""
HEAVY = {"pandas", "numpy", "matplotlib", "sklearn", "astropy", "pyarrow", "PIL"}
START = """
from app_runner.launch.start import StartOptions, start
raise SystemExit(start(StartOptions(examples=True)))
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the environment of a Python that has everything but those packages."""
    hidden = {
        file.parts[0]
        for name in EXAMPLES
        for file in metadata.distribution(name).files or ()
    }
    folder = tmp_path_factory.mktemp("packages")
    for path in Path(pandas.__file__).parents[1].iterdir():
        if path.name not in hidden:
            (folder / path.name).symlink_to(path)
    instance = tmp_path_factory.mktemp("instance")
    return {
        **dict.fromkeys(ROWS, ""),
        "PYTHONPATH": f"{folder}:{PROJECT}",
        "APP_RUNNER_INSTANCE_FOLDER": str(instance),
        "PATH": str(Path(sys.executable).parent),
    }


def run(source: str, bare: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python without the packages of this one."""
    return subprocess.run(
        [sys.executable, "-S", "-c", source],
        env=bare,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_what_lacks_a_package_is_listed_and_refused(bare: dict[str, str]) -> None:
    ran = run(LOOK, bare)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    assert {problem["message"] for problem in found["problems"]} == {
        f"not installed: needs {names}" for names in LACKING.values()
    }
    for name, (reading, status, told) in found["answers"].items():
        assert reading == 200, name
        if name in LACKING:
            assert status == 503, name
            assert told == f"Plugin {name}@1-0-0 is not installed: needs {LACKING[name]}."
        else:
            assert status != 503 or "not installed" not in told, name
    assert found["answers"]["url-import"][1] == 422
    assert set(LACKING) < set(found["answers"])


def test_a_start_with_examples_says_what_is_missing(bare: dict[str, str]) -> None:
    ran = run(START, bare)
    assert ran.returncode == 1
    (line,) = (ran.stdout + ran.stderr).strip().splitlines()
    assert "--examples: astropy>=7.0, matplotlib>=3.10, openpyxl>=3.1" in line
    assert "`./run start --examples` installs" in line


def test_nothing_large_is_imported_before_a_job_needs_it(bare: dict[str, str]) -> None:
    there = {name: value for name, value in bare.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        env=there,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    loaded = set(ran.stdout.split())
    assert "app_runner" in loaded
    assert loaded & HEAVY == set()


def test_with_them_a_start_says_that_all_is_there() -> None:
    text = examples_are_there()
    assert all(name in text for name in EXAMPLES)
