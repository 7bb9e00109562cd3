"""Each kind of parameter: what the form shows, refuses, and gives to the function."""

from __future__ import annotations

from tests.processors.conftest import Load


def test_smoke(load: Load) -> None:
    site = load("""
        import json

        class Colour(Enum):
            red = "r"
            blue = "b"

        @plugin.processor()
        def work(
            task: Task,
            count: Integer(min=1, max=9, step=2),
            size: Annotated[float, Number(min=0.5)],
            colour: Colour,
            way: Literal["up", "down"],
            level: Literal[1, 2] | None,
            day: date,
            at: datetime,
            names: list[str],
            numbers: Annotated[list[int], Input(label="Nums")] = [1, 2],
            loud: bool = True,
            note: str | None = None,
            kind: Choice({"a": "First", "b": "Second"}) = "b",
            secret: Password() | None = None,
        ) -> str:
            return json.dumps([count, size, colour.name, way, level, day.isoformat(),
                at.isoformat(), names, numbers, loud, note, kind])
        """)
    assert site.problems == []
    form = site.get("ui/").text
    print(form)
    assert 'min="1"' in form
    result = site.result(
        count="3",
        size="0.5",
        colour="red",
        way="up",
        level="",
        day="2024-02-03",
        at="2024-02-03T10:20",
        names="a,b",
        note="",
    )
    assert result == [
        3,
        0.5,
        "red",
        "up",
        None,
        "2024-02-03",
        "2024-02-03T10:20:00",
        ["a", "b"],
        [1, 2],
        True,
        None,
        "b",
    ]
