"""Tools for authors on the command line: a new plugin from a template, and the check."""

#: Folder of each template; what each is for stands in docs/testing.md.
KINDS = ("processor", "package", "multi-step", "visualisation")
