"""Old names and where they lie here: module → name → ``module:attribute``.

Read by the finder; docs/compatibility.md is about the same table.
"""

from __future__ import annotations

OLD_PACKAGE = "qhana_plugin_runner"

_METADATA = "app_runner.plugins.metadata"
_SCHEMAS = "app_runner.api.plugin_schemas"
_MODELS = "app_runner.db.models"
_FACADES = "app_runner.compat.facades"
_OLD_FIELDS = "app_runner.compat.fields"
_ENTITIES = "app_runner.data.entities"
_REGISTRY = "app_runner.tasks.plugin_registry"


def _all(module: str, *names: str) -> dict[str, str]:
    return {name: f"{module}:{name}" for name in names}


TABLE: dict[str, dict[str, str]] = {
    "": {},
    "api": {
        "EnumField": f"{_OLD_FIELDS}:EnumField",
        "MaBaseSchema": "app_runner.api.schemas:MaBaseSchema",
    },
    "api.extra_fields": _all(_OLD_FIELDS, "EnumField", "CSVList"),
    "api.util": {
        "SecurityBlueprint": "app_runner.api.blueprint:SecurityBlueprint",
        **_all("app_runner.api.schemas", "MaBaseSchema", "FrontendFormBaseSchema"),
        **_all(_OLD_FIELDS, "FileUrl", "PluginUrl"),
        "retrieve_filename": f"{_FACADES}:retrieve_filename",
    },
    "api.plugin_schemas": {
        **_all(
            _METADATA,
            "ApiLink",
            "DataMetadata",
            "EntryPoint",
            "InputDataMetadata",
            "OutputDataMetadata",
            "PluginDependencyMetadata",
            "PluginMetadata",
            "PluginType",
        ),
        **_all(_SCHEMAS, "PluginMetadataSchema", "WebhookParams", "WebhookParamsSchema"),
        "MaBaseSchema": "app_runner.api.schemas:MaBaseSchema",
    },
    "celery": {"CELERY": "app_runner.tasks.recorder:CELERY"},
    "db": {"DB": "app_runner.db.engine:DB"},
    "db.db": {"DB": "app_runner.db.engine:DB"},
    "db.models": {},
    "db.models.tasks": _all(
        _MODELS,
        "ProcessingTask",
        "TaskFile",
        "TaskLink",
        "TaskUpdateSubscription",
        "Step",
    ),
    "db.models.virtual_plugins": {
        **_all(_MODELS, "PluginState", "DataBlob", "VirtualPlugin"),
        **_all(
            "app_runner.db.signals", "VIRTUAL_PLUGIN_CREATED", "VIRTUAL_PLUGIN_REMOVED"
        ),
    },
    "plugin_utils": {},
    "plugin_utils.attributes": _all(
        "app_runner.data.attributes",
        "AttributeMetadata",
        "dict_deserializer",
        "dict_serializer",
        "parse_attribute_metadata",
        "tuple_deserializer",
        "tuple_serializer",
    ),
    "plugin_utils.entity_marshalling": _all(
        _ENTITIES,
        "ArrayEntity",
        "EntityTupleMixin",
        "array_to_entity",
        "ensure_array",
        "ensure_dict",
        "entity_attribute_sort_key",
        "load_entities",
        "save_entities",
    ),
    "plugin_utils.execution_utils": _all(_FACADES, "parse_execution_options"),
    "plugin_utils.interop": {
        **_all(
            "app_runner.tasks.interop",
            "call_plugin_endpoint",
            "get_plugin_endpoint",
            "get_task_result_no_wait",
        ),
        **_all(
            "app_runner.tasks.monitors",
            "monitor_external_substep",
            "monitor_result",
            "subscribe",
        ),
    },
    "plugin_utils.zip_utils": _all(_FACADES, "get_files_from_zip_url"),
    "registry_client": _all(_REGISTRY, "PLUGIN_REGISTRY_CLIENT"),
    "registry_client.client": _all(_REGISTRY, "PluginRegistryClient"),
    "requests": _all(
        _FACADES,
        "get_mimetype",
        "open_url",
        "open_url_as_file_like",
        "open_url_as_file_like_simple",
        "retrieve_attribute_metadata_url",
        "retrieve_data_type",
        "retrieve_filename",
    ),
    "storage": {
        "STORE": f"{_FACADES}:STORE",
        "FileStore": "app_runner.compat.stores:PublishedStore",
    },
    "tasks": {
        **_all(
            "app_runner.tasks.jobs", "add_step", "save_task_error", "save_task_result"
        ),
        **_all(
            "app_runner.tasks.signals",
            "TASK_DETAILS_CHANGED",
            "TASK_STATUS_CHANGED",
            "TASK_STEPS_CHANGED",
        ),
    },
    "util": {},
    "util.logging": _all(_FACADES, "redact_log_data"),
    "util.plugins": {
        "QHAnaPluginBase": "app_runner.plugins.base:PluginBase",
        "plugin_identifier": "app_runner.plugins.base:plugin_identifier",
    },
}
