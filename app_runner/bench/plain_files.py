"""The least a Flask application can do with a file: keep what is sent, and send it back.

The runner's uploads and downloads are measured against it, on the same server. Like the
floor, it is copied and started where nothing of the runner is loaded.
"""

import os
import shutil
from pathlib import Path

from flask import Flask, Response, request, send_file

KEPT = Path("kept").absolute()
CHUNK = 256 * 1024

app = Flask("plain_files")


@app.post("/files/")
def keep() -> Response:
    """Write the body to a file that lasts: with a sync, as the runner does."""
    KEPT.unlink(missing_ok=True)
    with KEPT.open("wb") as target:
        shutil.copyfileobj(request.stream, target, CHUNK)
        target.flush()
        os.fsync(target.fileno())
    return Response(status=201, headers={"Location": "/files/kept"})


@app.get("/files/kept")
def give() -> Response:
    """Send it back."""
    return send_file(KEPT)


@app.get("/")
def ready() -> str:
    """Tell that it serves."""
    return "yes"
