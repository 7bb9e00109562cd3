"""The one module that plugins import."""

from __future__ import annotations

from celery.exceptions import SoftTimeLimitExceeded

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.fields import CSVList, EnumField, FileUrl, PluginUrl
from app_runner.api.markers import (
    Boolean,
    Choice,
    Date,
    DateTime,
    FileInput,
    Input,
    Integer,
    Number,
    Password,
    PluginInput,
    Text,
    Upload,
)
from app_runner.api.opening import open_url
from app_runner.api.plugin_schemas import PluginMetadataSchema
from app_runner.api.schemas import FrontendFormBaseSchema, MaBaseSchema
from app_runner.babel import gettext
from app_runner.data.archives import (
    ArchiveLimits,
    ArchiveRefused,
    get_files_from_zip,
)
from app_runner.data.attributes import (
    AttributeMetadata,
    dict_deserializer,
    dict_serializer,
    tuple_deserializer,
    tuple_serializer,
)
from app_runner.data.entities import (
    ArrayEntity,
    UnreadableEntities,
    array_to_entity,
    ensure_array,
    ensure_dict,
    load_entities,
    save_entities,
)
from app_runner.db.engine import DB
from app_runner.db.models import (
    DataBlob,
    PluginState,
    ProcessingTask,
    TaskFile,
    TaskLink,
    VirtualPlugin,
)
from app_runner.db.signals import VIRTUAL_PLUGIN_CREATED, VIRTUAL_PLUGIN_REMOVED
from app_runner.errors import UserError
from app_runner.fetch import get_mimetype
from app_runner.files.contract import FileStore
from app_runner.plugins.base import PluginBase, plugin_identifier
from app_runner.plugins.metadata import (
    ApiLink,
    DataMetadata,
    EntryPoint,
    InputDataMetadata,
    OutputDataMetadata,
    PluginDependencyMetadata,
    PluginMetadata,
    PluginType,
)
from app_runner.state import current_runner
from app_runner.tasks.called import CalledTask
from app_runner.tasks.cancelling import TaskCancelled
from app_runner.tasks.fence import check_lease
from app_runner.tasks.handle import Output, Task
from app_runner.tasks.inputs import InputFile, UploadedFile, given_file
from app_runner.tasks.interop import (
    call_plugin_endpoint,
    get_plugin_endpoint,
    get_task_result_no_wait,
)
from app_runner.tasks.jobs import add_step, save_task_error, save_task_result
from app_runner.tasks.monitors import (
    monitor_external_substep,
    monitor_result,
    subscribe,
)
from app_runner.tasks.plugin_registry import PLUGIN_REGISTRY_CLIENT
from app_runner.tasks.recorder import CELERY
from app_runner.tasks.results import open_file, save_file, save_scratch
from app_runner.tasks.signals import (
    TASK_DETAILS_CHANGED,
    TASK_STATUS_CHANGED,
    TASK_STEPS_CHANGED,
)
from app_runner.ui.processor import Plugin
from app_runner.ui.viewer import Viewer

__all__ = [
    "CELERY",
    "DB",
    "PLUGIN_REGISTRY_CLIENT",
    "TASK_DETAILS_CHANGED",
    "TASK_STATUS_CHANGED",
    "TASK_STEPS_CHANGED",
    "VIRTUAL_PLUGIN_CREATED",
    "VIRTUAL_PLUGIN_REMOVED",
    "ApiLink",
    "ArchiveLimits",
    "ArchiveRefused",
    "ArrayEntity",
    "AttributeMetadata",
    "Boolean",
    "CSVList",
    "CalledTask",
    "Choice",
    "DataBlob",
    "DataMetadata",
    "Date",
    "DateTime",
    "EntryPoint",
    "EnumField",
    "FileInput",
    "FileStore",
    "FileUrl",
    "FrontendFormBaseSchema",
    "Input",
    "InputDataMetadata",
    "InputFile",
    "Integer",
    "MaBaseSchema",
    "Number",
    "Output",
    "OutputDataMetadata",
    "Password",
    "Plugin",
    "PluginBase",
    "PluginDependencyMetadata",
    "PluginInput",
    "PluginMetadata",
    "PluginMetadataSchema",
    "PluginState",
    "PluginType",
    "PluginUrl",
    "ProcessingTask",
    "SecurityBlueprint",
    "SoftTimeLimitExceeded",
    "Task",
    "TaskCancelled",
    "TaskFile",
    "TaskLink",
    "Text",
    "UnreadableEntities",
    "Upload",
    "UploadedFile",
    "UserError",
    "Viewer",
    "VirtualPlugin",
    "add_step",
    "array_to_entity",
    "call_plugin_endpoint",
    "check_lease",
    "current_runner",
    "dict_deserializer",
    "dict_serializer",
    "ensure_array",
    "ensure_dict",
    "get_files_from_zip",
    "get_mimetype",
    "get_plugin_endpoint",
    "get_task_result_no_wait",
    "gettext",
    "given_file",
    "load_entities",
    "monitor_external_substep",
    "monitor_result",
    "open_file",
    "open_url",
    "plugin_identifier",
    "save_entities",
    "save_file",
    "save_scratch",
    "save_task_error",
    "save_task_result",
    "subscribe",
    "tuple_deserializer",
    "tuple_serializer",
]
