"""All models, so that importing this package fills the metadata."""

from app_runner.db.json_changes import watch
from app_runner.db.models.access import AccessToken, AuditEvent
from app_runner.db.models.catalogue import Catalogue
from app_runner.db.models.files import TaskFile
from app_runner.db.models.messages import Duty, Message, WorkerSign
from app_runner.db.models.plugin_data import DataBlob, PluginState, VirtualPlugin
from app_runner.db.models.retention import Retention
from app_runner.db.models.schedules import Schedule
from app_runner.db.models.task_logs import TaskLogChunk
from app_runner.db.models.tasks import (
    ProcessingTask,
    Step,
    TaskAttempt,
    TaskLink,
    TaskUpdateSubscription,
)
from app_runner.db.models.uploads import Upload, UploadPart
from app_runner.db.models.webhooks import WebhookDelivery

for _class in (ProcessingTask, PluginState):
    watch(_class)

__all__ = [
    "AccessToken",
    "AuditEvent",
    "Catalogue",
    "DataBlob",
    "Duty",
    "Message",
    "PluginState",
    "ProcessingTask",
    "Retention",
    "Schedule",
    "Step",
    "TaskAttempt",
    "TaskFile",
    "TaskLink",
    "TaskLogChunk",
    "TaskUpdateSubscription",
    "Upload",
    "UploadPart",
    "VirtualPlugin",
    "WebhookDelivery",
    "WorkerSign",
]
