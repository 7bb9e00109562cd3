"""Counts the words of a text and keeps the most frequent ones as a table."""

from collections import Counter
from typing import Annotated

from app_runner.plugin_api import Integer, Output, Plugin, Task, Text

plugin = Plugin("word-count", "1.0.0", title="Word count", tags=["text"])


@plugin.processor(outputs=[Output("counts.csv", "entity/list", "text/csv")])
def count_words(
    task: Task,
    text: Annotated[str, Text(label="Text", multiline=True)],
    top: Annotated[int, Integer(min=1, help="How many words to keep.")] = 20,
) -> str:
    """Count the words of a text."""
    counts, lines = Counter[str](), text.splitlines()
    for number, line in enumerate(lines, start=1):
        counts.update(line.lower().split())
        task.progress(number, len(lines), "lines")
    task.save("counts.csv", [{"word": w, "count": n} for w, n in counts.most_common(top)])
    return f"{len(counts)} words"
