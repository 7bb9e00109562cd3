"""Old names and where they lie here: module → name → ``module:attribute``.

Read by the finder; docs/compatibility.md is about the same table.
"""

from __future__ import annotations

OLD_PACKAGE = "qhana_plugin_runner"

_METADATA = "app_runner.plugins.metadata"
_SCHEMAS = "app_runner.api.plugin_schemas"
_MODELS = "app_runner.db.models"
_FACADES = "app_runner.compat.facades"


def _all(module: str, *names: str) -> dict[str, str]:
    return {name: f"{module}:{name}" for name in names}


TABLE: dict[str, dict[str, str]] = {
    "": {},
    "api": {
        "EnumField": "app_runner.api.fields:EnumField",
        "MaBaseSchema": "app_runner.api.schemas:MaBaseSchema",
    },
    "api.extra_fields": _all("app_runner.api.fields", "EnumField", "CSVList"),
    "api.util": {
        "SecurityBlueprint": "app_runner.api.blueprint:SecurityBlueprint",
        **_all("app_runner.api.schemas", "MaBaseSchema", "FrontendFormBaseSchema"),
        **_all("app_runner.api.fields", "FileUrl", "PluginUrl"),
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
    "db.models.virtual_plugins": _all(
        _MODELS, "PluginState", "DataBlob", "VirtualPlugin"
    ),
    "requests": {
        **_all(_FACADES, "open_url", "retrieve_filename", "get_mimetype"),
        **_all(_FACADES, "retrieve_data_type", "retrieve_attribute_metadata_url"),
    },
    "storage": {
        "STORE": f"{_FACADES}:STORE",
        "FileStore": "app_runner.files.contract:FileStore",
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
    "util.plugins": {
        "QHAnaPluginBase": "app_runner.plugins.base:PluginBase",
        "plugin_identifier": "app_runner.plugins.base:plugin_identifier",
    },
}
