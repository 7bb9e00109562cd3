from collections.abc import Mapping
from typing import Any

from marshmallow import Schema

def deepupdate(original: Any, update: Mapping[str, Any]) -> Any: ...
def resolve_schema_instance(schema: type[Schema] | Schema) -> Schema: ...
