"""The messages between a form and the page around it, as `QHANA_API.md` lists them."""

from __future__ import annotations

from typing import Any

#: Messages of the form that are texts.
TEXTS_OF_FORM = {"ui-loaded", "ui-loading", "implementations-request", "autofill-request"}
#: Its others: keys that must be there, and those that may be (with ``?``), with types.
OF_FORM: dict[str, dict[str, Any]] = {
    "ui-resize": {"height": int | float, "targetHeight?": int | float | str},
    "form-submit": {
        "formData": str,
        "formDataType": str,
        "dataInputs": list,
        "submitUrl": str,
        "resultUrl?": str,  # not when the host prevents it
    },
    "form-error": {"status": int, "error": dict},
    "request-data-url": {
        "inputKey": str,
        "acceptedInputType": str,
        "acceptedContentTypes": list,
    },
    "request-related-data-url": {
        "inputKey": str,
        "dataUrl": str,
        "relation": str,
        "includeSelf?": bool,
        "acceptedInputType?": str,
        "acceptedContentType?": str,
        "userInteraction?": bool,
    },
    "request-data-url-info": {"inputKey": str, "dataUrl": str},
    "request-data-preview": {"dataUrl": str},
    "request-plugin-url": {
        "inputKey": str,
        "pluginTags": list,
        "pluginName?": str,
        "pluginVersion?": str,
    },
    "request-plugin-url-info": {"inputKey": str, "pluginUrl": str},
    "ui-submit-status": {"isAllowedToSubmit": bool},
}
#: Messages of the page around the form that are texts, and the others with their keys.
TEXTS_OF_HOST = {"ui-prevent-submit", "ui-allow-submit", "ui-submit-status"}
OF_HOST: dict[str, dict[str, Any]] = {
    "load-css": {"urls": list},
    "plugin-context": {"experimentId?": str, "location?": str},
    "data-url-response": {
        "inputKey": str,
        "href": str,
        "dataType?": str,
        "contentType?": str,
        "filename?": str,
        "version?": str | int,
    },
    "plugin-url-response": {
        "inputKey": str,
        "pluginUrl": str,
        "pluginName?": str,
        "pluginVersion?": str,
    },
    "autofill-response": {"value": str, "encoding": str},
    "implementations-response": {"implementations": list},
}


def kind_of(message: Any) -> str:
    """Give what a message is called."""
    return message if isinstance(message, str) else str(message.get("type"))


def check(message: Any, texts: set[str], known: dict[str, dict[str, Any]]) -> None:
    """Fail unless a message is one of the list, with its keys and no others."""
    if isinstance(message, str):
        assert message in texts, message
        return
    declared = known[kind_of(message)]
    kinds = {name.rstrip("?"): kind for name, kind in declared.items()}
    needed = {name for name in declared if not name.endswith("?")}
    given = set(message) - {"type"}
    assert needed <= given <= kinds.keys(), message
    wrong = {name for name in given if not isinstance(message[name], kinds[name])}
    assert not wrong, (wrong, message)
