"""The texts that our scripts show, so that they are translated like all others."""

from __future__ import annotations

from app_runner.babel import gettext as _


def script_texts() -> dict[str, str]:
    """Give the texts by the key under which our scripts look them up."""
    return {
        "failed": _("The task failed."),
        "finished": _("The task is finished."),
        "running": _("The task is running."),
        "waiting": _("The task waits for your input."),
        "stopped": _("The state of the task cannot be read any more."),
        "log": _("Log"),
        "output": _("Output"),
        "again": _("Run again"),
        "cancel": _("Cancel the task"),
        "cancelling": _("The task is being cancelled."),
        "cancelled": _("The task was cancelled."),
        "notCancelled": _("The task was not cancelled."),
        "againForm": _("Open the form with these values"),
        "notAgain": _("The task was not started again."),
        "results": _("Results"),
        "preview": _("Preview"),
        "more": _("Show more"),
        "download": _("Download"),
        "cut": _("Only the beginning is shown."),
        "noPreview": _("This file cannot be shown here."),
        "progress": _("Progress"),
        "nextStep": _("Next step"),
        "task": _("Task"),
        "openTask": _("Open the task document"),
        "sending": _("Sending the form."),
        "unreachable": _("The server did not answer. Is it running?"),
        "refused": _("The form was not accepted."),
        "checkErrors": _("Please check these values:"),
        "noPlugin": _("This plugin has no form."),
        "noneFound": _("No plugin matches."),
        "form": _("Form"),
        "chooseData": _("Choose a result of your recent tasks"),
        "choosePlugin": _("Choose a plugin"),
        "noChoice": _("There is none that fits."),
        "close": _("Close"),
    }
