"""Tools for authors on the command line: a new plugin from a template, and the check."""
