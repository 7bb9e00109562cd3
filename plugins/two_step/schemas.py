"""What the two forms ask for."""

from marshmallow import fields, validate

from app_runner.plugin_api import FrontendFormBaseSchema


class TextSchema(FrontendFormBaseSchema):
    """The first form: a text."""

    text = fields.String(
        required=True,
        validate=validate.Length(min=1),
        metadata={
            "label": "Text",
            "description": "Any text of one or more lines.",
            "input_type": "textarea",
        },
    )


class WordSchema(FrontendFormBaseSchema):
    """The second form: a word of that text."""

    word = fields.String(
        required=True,
        validate=validate.Length(min=1),
        metadata={"label": "Word", "description": "Its lines will be listed."},
    )
