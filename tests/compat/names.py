"""What published plugins use of the old package, as facts: names, attributes, calls."""

from __future__ import annotations

PACKAGE = "qhana_plugin_runner"

#: Module → names that plugins import from it.
IMPORTS: dict[str, str] = {
    "api": "EnumField MaBaseSchema",
    "api.extra_fields": "CSVList EnumField",
    "api.plugin_schemas": """
        ApiLink DataMetadata EntryPoint InputDataMetadata MaBaseSchema
        OutputDataMetadata PluginDependencyMetadata PluginMetadata PluginMetadataSchema
        PluginType WebhookParams WebhookParamsSchema
    """,
    "api.util": """
        FileUrl FrontendFormBaseSchema MaBaseSchema PluginUrl SecurityBlueprint
        retrieve_filename
    """,
    "celery": "CELERY",
    "db": "DB",
    "db.db": "DB",
    "db.models.tasks": "ProcessingTask TaskFile TaskLink TaskUpdateSubscription",
    "db.models.virtual_plugins": """
        DataBlob PluginState VIRTUAL_PLUGIN_CREATED VIRTUAL_PLUGIN_REMOVED VirtualPlugin
    """,
    "plugin_utils.attributes": """
        AttributeMetadata dict_deserializer dict_serializer tuple_deserializer
        tuple_serializer
    """,
    "plugin_utils.entity_marshalling": """
        ArrayEntity EntityTupleMixin array_to_entity ensure_array ensure_dict
        entity_attribute_sort_key load_entities save_entities
    """,
    "plugin_utils.execution_utils": "parse_execution_options",
    "plugin_utils.interop": """
        call_plugin_endpoint get_plugin_endpoint get_task_result_no_wait
        monitor_external_substep monitor_result subscribe
    """,
    "plugin_utils.zip_utils": "get_files_from_zip_url",
    "registry_client": "PLUGIN_REGISTRY_CLIENT",
    "registry_client.client": "PluginRegistryClient",
    "requests": """
        get_mimetype open_url open_url_as_file_like open_url_as_file_like_simple
        retrieve_attribute_metadata_url retrieve_data_type retrieve_filename
    """,
    "storage": "STORE FileStore",
    "tasks": """
        TASK_DETAILS_CHANGED TASK_STATUS_CHANGED TASK_STEPS_CHANGED add_step
        save_task_error save_task_result
    """,
    "util.logging": "redact_log_data",
    "util.plugins": "QHAnaPluginBase plugin_identifier",
}

#: Imported name → attributes that plugins use of it.
ATTRIBUTES: dict[str, str] = {
    "api.plugin_schemas.PluginType": "processing visualization interaction dataloader",
    "celery.CELERY": "task AsyncResult on_after_finalize.connect",
    "db.DB": "session.flush session.execute session.add session.commit",
    "db.db.DB": "session.flush session.add session.commit",
    "db.models.tasks.ProcessingTask": "get_by_id",
    "db.models.tasks.TaskFile": "get_by_id",
    "db.models.virtual_plugins.DataBlob": "set_value get_value delete_value",
    "db.models.virtual_plugins.PluginState": "get_value set_value delete_value",
    "db.models.virtual_plugins.VIRTUAL_PLUGIN_CREATED": "send",
    "db.models.virtual_plugins.VIRTUAL_PLUGIN_REMOVED": "send",
    "db.models.virtual_plugins.VirtualPlugin": """
        get_by_href exists delete_by_href href get_all href.in_
    """,
    "plugin_utils.attributes.AttributeMetadata": "from_dict",
    "plugin_utils.interop.monitor_external_substep": "s",
    "plugin_utils.interop.monitor_result": "s",
    "registry_client.PLUGIN_REGISTRY_CLIENT": "search_by_rel fetch_by_api_link",
    "storage.STORE": "persist_task_result persist_task_temp_file open",
    "tasks.TASK_DETAILS_CHANGED": "send",
    "tasks.TASK_STATUS_CHANGED": "send",
    "tasks.TASK_STEPS_CHANGED": "send",
    "tasks.add_step": "s si",
    "tasks.save_task_error": "s",
    "tasks.save_task_result": "s",
}

#: Attributes of ``<PluginClass>.instance``; ``config`` is one that a plugin sets itself.
INSTANCE = "identifier tags name version description config"

#: Decorator → the sets of keywords that it is used with.
DECORATORS: dict[str, list[str]] = {
    "BLP.route": [""],
    "BLP.response": ["", "description", "content_type"],
    "BLP.require_jwt": ["optional"],
    "BLP.html_response": ["description"],
    "BLP.arguments": ["location required", "location", "as_kwargs location"],
    "CELERY.task": [
        "",
        "name",
        "bind name",
        "bind ignore_result name",
        "ignore_result name",
        "autoretry_for bind max_retries name retry_backoff",
        "autoretry_for bind ignore_result max_retries name retry_backoff",
        "autoretry_for ignore_result max_retries name retry_backoff",
    ],
    "CELERY.on_after_finalize.connect": [""],
    "ma.post_load": ["", "pass_original"],
    "ma.validates_schema": ["", "pass_original"],
}

#: Name → calls as "positional arguments, keywords".
CALLS: dict[str, list[str]] = {
    "api.EnumField": ["1 allow_none data_key metadata required"],
    "api.extra_fields.CSVList": ["0 allow_none element_type metadata required"],
    "api.extra_fields.EnumField": ["1 allow_none metadata required use_value"],
    "api.plugin_schemas.ApiLink": ["2"],
    "api.plugin_schemas.DataMetadata": ["0 content_type data_type required"],
    "api.plugin_schemas.EntryPoint": [
        "0 data_input data_output href ui_href",
        "0 data_input data_output href plugin_dependencies ui_href",
    ],
    "api.plugin_schemas.InputDataMetadata": [
        "0 content_type data_type parameter required",
        "1 content_type parameter required",
    ],
    "api.plugin_schemas.OutputDataMetadata": ["0 content_type data_type name required"],
    "api.plugin_schemas.PluginDependencyMetadata": ["0 parameter required tags"],
    "api.plugin_schemas.PluginMetadata": [
        "0 description entry_point name tags title type version",
        "0 description entry_point links name tags title type version",
    ],
    "api.plugin_schemas.PluginMetadataSchema": ["0"],
    "api.plugin_schemas.WebhookParamsSchema": ["0 partial"],
    "api.util.FileUrl": [
        "0 allow_none data_content_types data_input_type data_key metadata required",
        "0 allow_none data_content_types data_input_type load_missing metadata required",
        "0 allow_none load_only metadata required",
    ],
    "api.util.PluginUrl": ["0 allow_none metadata plugin_tags required"],
    "api.util.SecurityBlueprint": ["2 description template_folder"],
    "celery.CELERY.AsyncResult": ["1"],
    "db.models.tasks.ProcessingTask": [
        "0 parameters task_name",
        "0 data progress_target progress_unit progress_value task_name",
    ],
    "db.models.tasks.ProcessingTask.get_by_id": ["0 id_", "1"],
    "db.models.tasks.TaskFile.get_by_id": ["1"],
    "db.models.tasks.TaskLink": ["1 href type"],
    "db.models.tasks.TaskUpdateSubscription": ["1 event_type task_href webhook_href"],
    "db.models.virtual_plugins.DataBlob.delete_value": ["2"],
    "db.models.virtual_plugins.DataBlob.get_value": ["2", "3", "2 default"],
    "db.models.virtual_plugins.DataBlob.set_value": ["3"],
    "db.models.virtual_plugins.PluginState.delete_value": ["2", "2 commit"],
    "db.models.virtual_plugins.PluginState.get_value": ["2", "3", "2 default"],
    "db.models.virtual_plugins.PluginState.set_value": ["3", "3 commit"],
    "db.models.virtual_plugins.VIRTUAL_PLUGIN_CREATED.send": ["1 plugin_url"],
    "db.models.virtual_plugins.VIRTUAL_PLUGIN_REMOVED.send": ["1 plugin_url"],
    "db.models.virtual_plugins.VirtualPlugin": [
        "0 description href name parent_id tags version"
    ],
    "db.models.virtual_plugins.VirtualPlugin.delete_by_href": ["2", "1 parent_id"],
    "db.models.virtual_plugins.VirtualPlugin.exists": ["1"],
    "db.models.virtual_plugins.VirtualPlugin.get_all": ["0 for_parents", "1 filters"],
    "db.models.virtual_plugins.VirtualPlugin.get_by_href": ["2"],
    "plugin_utils.attributes.AttributeMetadata": [
        "0 ID attribute_type description title",
        "3 extra multiple ref_target separator",
        "10",
    ],
    "plugin_utils.attributes.AttributeMetadata.from_dict": ["1"],
    "plugin_utils.attributes.dict_deserializer": ["2"],
    "plugin_utils.attributes.dict_serializer": ["2"],
    "plugin_utils.attributes.tuple_deserializer": ["2 tuple_"],
    "plugin_utils.attributes.tuple_serializer": ["2"],
    "plugin_utils.entity_marshalling.ArrayEntity": ["3"],
    "plugin_utils.entity_marshalling.array_to_entity": ["1 prefix"],
    "plugin_utils.entity_marshalling.ensure_array": ["1", "1 strict"],
    "plugin_utils.entity_marshalling.ensure_dict": ["1"],
    "plugin_utils.entity_marshalling.load_entities": [
        "1 mimetype",
        "2",
        "0 file_ mimetype",
    ],
    "plugin_utils.entity_marshalling.save_entities": [
        "3",
        "3 attributes",
        "0 entities file_ mimetype",
    ],
    "plugin_utils.execution_utils.parse_execution_options": ["1"],
    "plugin_utils.interop.call_plugin_endpoint": ["2", "1 data debug"],
    "plugin_utils.interop.get_plugin_endpoint": ["1"],
    "plugin_utils.interop.get_task_result_no_wait": ["1"],
    "plugin_utils.interop.monitor_external_substep.s": [
        "0 result_url substep webhook_url"
    ],
    "plugin_utils.interop.monitor_result.s": ["0 monitor result_url webhook_url"],
    "plugin_utils.interop.subscribe": ["0 events result_url webhook_url"],
    "plugin_utils.zip_utils.get_files_from_zip_url": ["1", "1 mode"],
    "registry_client.PLUGIN_REGISTRY_CLIENT.fetch_by_api_link": ["1"],
    "registry_client.PLUGIN_REGISTRY_CLIENT.search_by_rel": [
        "1 query_params",
        "1 allow_collection_resource query_params",
    ],
    "registry_client.client.PluginRegistryClient": ["1"],
    "requests.get_mimetype": ["1", "2"],
    "requests.open_url": ["1", "1 stream"],
    "requests.open_url_as_file_like": ["1"],
    "requests.open_url_as_file_like_simple": ["1"],
    "requests.retrieve_attribute_metadata_url": ["1"],
    "requests.retrieve_data_type": ["1"],
    "requests.retrieve_filename": ["1"],
    "storage.STORE.open": ["1"],
    "storage.STORE.persist_task_result": [
        "5",
        "5 storage_provider",
        "0 file_ file_name file_type mimetype task_db_id",
        "2 file_name file_type mimetype storage_provider",
        "1 commit file_ file_name file_type mimetype storage_provider",
    ],
    "storage.STORE.persist_task_temp_file": ["4"],
    "tasks.TASK_DETAILS_CHANGED.send": ["1 task_id"],
    "tasks.TASK_STATUS_CHANGED.send": ["1 task_id"],
    "tasks.TASK_STEPS_CHANGED.send": ["1 task_id"],
    "tasks.add_step.s": [
        "1 db_id href prog_value step_id ui_href",
        "0 db_id href prog_target prog_unit prog_value step_id task_log ui_href",
    ],
    "tasks.add_step.si": ["0 db_id href step_id task_log ui_href"],
    "tasks.save_task_error.s": ["1 db_id"],
    "tasks.save_task_result.s": ["1 db_id", "0 db_id task_log"],
    "util.logging.redact_log_data": ["1"],
    "util.plugins.plugin_identifier": ["2"],
}

#: Field classes of marshmallow that plugins make, and the keywords they give them.
FIELDS = """
    String Integer Url Boolean Float Bool URL List Number Int Nested Mapping AwareDateTime
"""
FIELD_KEYWORDS = {
    "required": "True",
    "metadata": '{"label": "A field"}',
    "allow_none": "True",
    "validate": "ma.validate.Length(max=9)",
    "dump_only": "True",
    "load_default": "None",
    "missing": "None",
    "data_key": '"renamed"',
    "default": '"d"',
    "dump_default": '"d"',
    "allow_None": "True",
    "description": '"Stray."',
}
#: Values of ``input_type`` in the metadata of fields, and the element that shows each.
INPUT_TYPES = {
    "text": "input[type=text]",
    "number": "input[type=number]",
    "select": "select",
    "checkbox": "input[type=checkbox]",
    "password": "input[type=password]",
    "textarea": "textarea",
    "url": "input[type=url]",
    "search": "input[type=search]",
    "textfield": "input[type=text]",
    "string": "input[type=text]",
    "text_with_datalist": "input[type=text][list]",
}
#: Further metadata that forms read, by the field that has it.
FORM_METADATA = {
    "data": """
        "data_input_type": "entity/list", "data_content_types": ["text/csv", "a/b"]
    """,
    "related": """
        "data_input_type": "entity/vector", "data_content_types": "text/csv",
        "related_to": "data", "relation": "pre", "related_include_self": True
    """,
    "plugin": """
        "plugin_tags": ["solver", "!slow"], "plugin_name": "one", "plugin_version": "v1"
    """,
}
#: Names of the micro frontend that scripts of plugins use.
SCRIPT_NAMES = """
    sendMessage monitorHeightChanges submitFormData instrumentForm getPluginContext
    _qhana_microfrontend_state
"""
