from typing import Any

from marshmallow.fields import Field

class Upload(Field[Any]):
    format: str
    def __init__(self, format: str = "binary", **kwargs: Any) -> None: ...
