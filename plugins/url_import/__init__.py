"""Fetches a URL through the guarded door and keeps what is there as a result."""

from __future__ import annotations

from typing import Annotated

from app_runner.plugin_api import FileInput, InputFile, Output, Plugin, Task, Text

plugin = Plugin("url-import", "1.0.0", title="URL import", tags=["data", "import"])
DATA_TYPE = r"[\w.*-]+(/[\w.*-]+)*"


class Counted:
    """An open file that tells the task how much of it was read."""

    def __init__(self, file, task: Task) -> None:
        """Take the file and who is told."""
        self.file, self.task, self.size = file, task, 0

    def read(self, size: int = -1) -> bytes:
        """Read as the file does."""
        found = self.file.read(size)
        self.size += len(found)
        self.task.progress(self.size, self.size, "bytes")
        return found


@plugin.processor(outputs=[Output("the file", "*", "*/*", required=False)])
def fetch(
    task: Task,
    url: Annotated[InputFile, FileInput(label="URL")],
    data_type: Annotated[
        str | None,
        Text(
            pattern=DATA_TYPE,
            max_length=200,
            help="Such as `entity/list`; what the server says if left empty.",
        ),
    ] = None,
    name: Annotated[
        str | None, Text(max_length=200, help="What the server says if left empty.")
    ] = None,
) -> str:
    """Fetch a file and keep it as a result.

    The result stays when the URL is gone or gives something else. Addresses that this
    runner must not reach are refused, and so are files that are too large.
    """
    with url.open() as content:
        kept = name or url.name or "file"
        counted = Counted(content, task)
        task.save(kept, counted, data_type or url.data_type, url.content_type)
    return f"kept {kept} ({url.content_type}, {counted.size} bytes)"
