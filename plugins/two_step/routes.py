"""What users reach: metadata, the two forms, and where they are sent to."""

from http import HTTPStatus

from flask import abort, current_app, redirect, render_template, request, url_for
from flask.views import MethodView

from app_runner.plugin_api import (
    TASK_STEPS_CHANGED,
    EntryPoint,
    OutputDataMetadata,
    PluginMetadata,
    PluginMetadataSchema,
    PluginType,
    ProcessingTask,
    SecurityBlueprint,
    add_step,
    save_task_error,
    save_task_result,
)

from . import IDENTIFIER, TITLE, TwoStep
from .jobs import count_words, list_lines
from .schemas import TextSchema, WordSchema

BLUEPRINT = SecurityBlueprint(IDENTIFIER, __name__, description=TwoStep.description)


@BLUEPRINT.route("/")
class PluginView(MethodView):
    """The plugin's metadata."""

    @BLUEPRINT.response(HTTPStatus.OK, PluginMetadataSchema())
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self):
        """Tell what the plugin does and gives."""
        plugin = TwoStep.instance
        return PluginMetadata(
            title=plugin.told(TITLE),
            description=plugin.told(plugin.description),
            name=plugin.name,
            version=plugin.version,
            type=PluginType.processing,
            entry_point=EntryPoint(
                href=url_for(f"{IDENTIFIER}.ProcessView"),
                ui_href=url_for(f"{IDENTIFIER}.TextForm"),
                data_output=[
                    OutputDataMetadata(
                        data_type="custom/lines",
                        content_type=["text/plain"],
                        required=True,
                        name="lines.txt",
                    )
                ],
            ),
            tags=list(plugin.tags),
        )


def form(schema, values, errors, process, help_text):
    """Render a form that is sent to ``process``."""
    return render_template(
        "simple_template.html",
        name=TITLE,
        version=TwoStep.instance.version,
        schema=schema,
        values=values,
        errors=errors,
        valid=bool(values) and not errors,
        process=process,
        help_text=help_text,
    )


@BLUEPRINT.route("/ui/")
class TextForm(MethodView):
    """The first form."""

    @BLUEPRINT.html_response(HTTPStatus.OK, description="The form.")
    @BLUEPRINT.arguments(
        TextSchema(partial=True, validate_errors_as_result=True),
        location="query",
        required=False,
    )
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, errors):
        """Show the form, filled in from the query."""
        return self.show(request.args, errors)

    @BLUEPRINT.html_response(HTTPStatus.OK, description="The form with its errors.")
    @BLUEPRINT.arguments(
        TextSchema(validate_errors_as_result=True), location="form", required=False
    )
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, errors):
        """Show the form again, with the errors of what was filled in."""
        return self.show(request.form, errors)

    def show(self, values, errors):
        """Render the form."""
        process = url_for(f"{IDENTIFIER}.ProcessView")
        return form(TextSchema(), values, errors, process, TwoStep.instance.description)


@BLUEPRINT.route("/process/")
class ProcessView(MethodView):
    """The entry point."""

    @BLUEPRINT.arguments(TextSchema(), location="form")
    @BLUEPRINT.response(HTTPStatus.SEE_OTHER)
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, arguments):
        """Start a task: count the words, then wait for one to be chosen."""
        task = ProcessingTask(task_name=count_words.name, data=dict(arguments))
        task.save(commit=True)

        step = add_step.s(
            db_id=task.id,
            step_id="choose-word",
            href=url_for(f"{IDENTIFIER}.ChooseView", db_id=task.id, _external=True),
            ui_href=url_for(f"{IDENTIFIER}.WordForm", db_id=task.id, _external=True),
            prog_value=50,
        )
        work = count_words.s(db_id=task.id) | step
        work.link_error(save_task_error.s(db_id=task.id))
        work.apply_async()
        return redirect(
            url_for("tasks-api.TaskView", task_id=task.id), HTTPStatus.SEE_OTHER
        )


def waiting_task(db_id):
    """Give the task if it waits for a word; 404 and 409 otherwise."""
    task = ProcessingTask.get_by_id(db_id)
    if task is None:
        abort(HTTPStatus.NOT_FOUND)
    if task.is_finished or not task.has_uncleared_step:
        text = TwoStep.instance.texts.gettext("This task does not wait for an answer.")
        abort(HTTPStatus.CONFLICT, text)
    return task


@BLUEPRINT.route("/<int:db_id>/word-ui/")
class WordForm(MethodView):
    """The second form."""

    @BLUEPRINT.html_response(HTTPStatus.OK, description="The form.")
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, db_id):
        """Show the form, with the words that were found."""
        return self.show(db_id, request.args, {})

    @BLUEPRINT.html_response(HTTPStatus.OK, description="The form with its errors.")
    @BLUEPRINT.arguments(
        WordSchema(validate_errors_as_result=True), location="form", required=False
    )
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, errors, db_id):
        """Show the form again, with the errors of what was filled in."""
        return self.show(db_id, request.form, errors)

    def show(self, db_id, values, errors):
        """Render the form."""
        counts = waiting_task(db_id).data["counts"]
        words = ", ".join(f"`{word}` ({count})" for word, count in counts.items())
        process = url_for(f"{IDENTIFIER}.ChooseView", db_id=db_id)
        found = TwoStep.instance.texts.gettext("Words found: %(words)s", words=words)
        return form(WordSchema(), values, errors, process, found)


@BLUEPRINT.route("/<int:db_id>/word/")
class ChooseView(MethodView):
    """Takes the answer of the second form."""

    @BLUEPRINT.arguments(WordSchema(), location="form")
    @BLUEPRINT.response(HTTPStatus.SEE_OTHER)
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, arguments, db_id):
        """Go on with the chosen word."""
        task = waiting_task(db_id)
        task.data["word"] = arguments["word"]
        task.clear_previous_step()
        task.save(commit=True)
        TASK_STEPS_CHANGED.send(current_app._get_current_object(), task_id=db_id)

        work = list_lines.s(db_id=db_id) | save_task_result.s(db_id=db_id)
        work.link_error(save_task_error.s(db_id=db_id))
        work.apply_async()
        return redirect(
            url_for("tasks-api.TaskView", task_id=db_id), HTTPStatus.SEE_OTHER
        )
