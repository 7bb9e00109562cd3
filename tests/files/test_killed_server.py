"""A server killed in the middle of an upload: another one goes on, with a tus client."""

from __future__ import annotations

import http.client
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests
from flask import Flask
from tusclient.client import TusClient

from app_runner.bench.processes import children, free_port
from app_runner.state import state_of
from app_runner.tasks.uploads import PIECE
from tests.conftest import AppFactory
from tests.polling import wait_for
from tests.processes import Running, environment

TUS = {"Tus-Resumable": "1.0.0"}


@contextmanager
def serving(app: Flask, port: int, log: Path) -> Iterator[Running]:
    """Serve the settings of ``app`` by gunicorn until the block ends, then kill it."""
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    command = [gunicorn, "--bind", f"127.0.0.1:{port}", "app_runner.wsgi:app"]
    command += ["--threads", "4"]
    server = Running(command, environment(state_of(app).settings), log)
    server.wait_until_printed("Booting worker")
    try:
        wait_for(lambda: answers(port), what="the server's answer")
        yield server
    finally:
        for pid in [server.pid, *children(server.pid)]:
            os.kill(pid, signal.SIGKILL)
        server.process.wait()


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/live", timeout=30).ok
    except requests.RequestException:  # not there yet, or still loading
        return False


def offset(url: str) -> int:
    answer = requests.head(url, headers=TUS, timeout=30)
    return int(answer.headers["Upload-Offset"])


def test_an_upload_goes_on_after_the_server_was_killed(
    make_app: AppFactory, tmp_path: Path
) -> None:
    content = os.urandom(3 * PIECE + 1000)
    app, port = make_app(), free_port()
    started = {**TUS, "Upload-Length": str(len(content))}
    with serving(app, port, tmp_path / "first.log"):
        base = f"http://127.0.0.1:{port}/files/uploads/"
        url = requests.post(base, headers=started, timeout=30).headers["Location"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        parts = urlsplit(url)
        connection.putrequest("PATCH", f"{parts.path}?{parts.query}")
        told = {"Upload-Offset": "0", "Content-Length": str(len(content))}
        told["Content-Type"] = "application/offset+octet-stream"
        for name, value in {**TUS, **told}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(content[: PIECE + PIECE // 2])
        wait_for(lambda: offset(url) == PIECE, what="the first piece")
    connection.close()
    with serving(app, port, tmp_path / "second.log"):
        assert offset(url) == PIECE
        uploader = TusClient(base).uploader(
            file_stream=io.BytesIO(content), url=url, chunk_size=PIECE + 1
        )
        uploader.upload()
        assert requests.get(url, timeout=30).content == content
    assert len(list(state_of(app).stores.default.keys())) == 1


def test_a_whole_upload_by_a_tus_client(make_app: AppFactory, tmp_path: Path) -> None:
    content = os.urandom(100_000)
    app, port = make_app(), free_port()
    with serving(app, port, tmp_path / "server.log"):
        client = TusClient(f"http://127.0.0.1:{port}/files/uploads/")
        metadata = {"filename": "größe.bin"}
        uploader = client.uploader(
            file_stream=io.BytesIO(content), chunk_size=30_000, metadata=metadata
        )
        uploader.upload()
        answer = requests.get(str(uploader.url), timeout=30)
        assert answer.content == content
        assert "gr%C3%B6%C3%9Fe.bin" in answer.headers["Content-Disposition"]
