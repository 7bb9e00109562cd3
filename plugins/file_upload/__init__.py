"""Keeps an uploaded file as a result, so that other plugins can take it as input."""

from __future__ import annotations

from typing import Annotated

from app_runner.plugin_api import Output, Plugin, Task, Text, Upload, UploadedFile

plugin = Plugin("file-upload", "1.0.0", title="File upload", tags=["data", "import"])
MEDIA_TYPE = r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; ?[\w-]+=[\w.-]+)*"
DATA_TYPE = r"[\w.*-]+(/[\w.*-]+)*"


@plugin.processor(outputs=[Output("the file", "*", "*/*", required=False)])
def keep(
    task: Task,
    file: Annotated[UploadedFile, Upload()],
    data_type: Annotated[
        str, Text(pattern=DATA_TYPE, max_length=200, help="Such as `entity/list`.")
    ] = "custom",
    content_type: Annotated[
        str | None,
        Text(
            pattern=MEDIA_TYPE,
            max_length=200,
            help="Such as `text/csv`; what the file says if left empty.",
        ),
    ] = None,
) -> str:
    """Keep a file of your own as a result.

    Other plugins can then take it as input. Its **data type** says what it means, its
    **content type** how it is written.
    """
    kind = content_type or file.content_type
    name = file.name or "file"
    with file.open() as content:
        task.save(name, content, data_type, kind)
    return f"kept {name} ({kind}, {file.size} bytes)"
