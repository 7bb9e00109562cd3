"""Joins two tables in three steps, and asks again when something does not fit.

A step may offer what the one before has found: `Choice(function)` whose function has a
parameter gets the state that the step was asked with.
"""

from __future__ import annotations

from typing import Annotated, Literal

from app_runner.plugin_api import (
    Choice,
    FileInput,
    Input,
    InputFile,
    Output,
    Plugin,
    Task,
    Upload,
    UploadedFile,
    UserError,
    given_file,
)

from .joining import Join, Table

plugin = Plugin(
    "table-join",
    "1.0.0",
    title="Join two tables",
    tags=["table", "multi-step"],
)
KINDS = ["text/csv", "application/json", "application/x-lines+json"]
Given = Annotated[
    InputFile | None, FileInput(data_type="entity/list", content_types=KINDS)
]
Own = Annotated[UploadedFile | None, Upload(label="Or a file of your own")]


@plugin.processor(outputs=[Output("joined.csv", "entity/list", "text/csv")])
def first_table(task: Task, table: Given = None, own: Own = None) -> str:
    """Join two tables (CSV, JSON, JSON lines) where the values of a column are equal.

    Choose the **first table** here. The next steps ask for the second one, and for the
    columns.
    """
    try:
        first = Table.kept(task, "first", given_file(table, own))
    except UserError as error:
        task.ask(then=first_table, title="First table", help=again(error))
    ask_second(task, first, f"*{first.name}* has {first.rows} rows. Choose the second.")


def ask_second(task: Task, first: Table, text: str) -> None:
    """Ask for the second table."""
    state = {"first": first.as_json}
    task.ask(then=second_table, state=state, title="Second table", help=text)


def second_table(task: Task, table: Given = None, own: Own = None) -> str:
    """Choose the second table."""
    first = Table(**task.state["first"])
    try:
        second = Table.kept(task, "second", given_file(table, own))
    except UserError as error:
        ask_second(task, first, again(error))
    ask_columns(task, first, second, "Which columns have equal values?")


def ask_columns(task: Task, first: Table, second: Table, text: str) -> None:
    """Ask for the columns."""
    state = {"first": first.as_json, "second": second.as_json}
    task.ask(then=chosen_columns, state=state, title="Columns", help=text)


def offered(state: dict, here: str, there: str) -> list[str]:
    """Give the columns of one table, first those that the other one has too."""
    shared = set(state.get(there, {}).get("columns", ()))
    return sorted(state.get(here, {}).get("columns", ()), key=lambda n: n not in shared)


def columns_of_first(state: dict) -> list[str]:
    """Give the options for the first table."""
    return offered(state, "first", "second")


def columns_of_second(state: dict) -> list[str]:
    """Give the options for the second table."""
    return offered(state, "second", "first")


def chosen_columns(
    task: Task,
    first_column: Annotated[str, Choice(columns_of_first, label="Of the first table")],
    second_column: Annotated[str, Choice(columns_of_second, label="Of the second")],
    rows: Annotated[
        Literal["matching", "all of the first", "all of both"],
        Input(label="Which rows"),
    ] = "matching",
) -> str:
    """Choose the columns whose values are compared."""
    first, second = (Table(**task.state[name]) for name in ("first", "second"))
    join = Join(task, first, first_column, second, second_column)
    try:
        matches = join.count_matches()
    except UserError as error:
        ask_columns(task, first, second, again(error))
    task.save("joined.csv", join.joined(rows))
    return f"{matches} matches of {first.rows} and {second.rows} rows"


def again(error: UserError) -> str:
    """Say what was wrong, and ask again."""
    return f"**{error}** Please choose again."
