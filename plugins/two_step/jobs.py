"""The work of a worker: count the words, later list the lines with one of them."""

import re
from collections import Counter

from app_runner.plugin_api import CELERY, ProcessingTask, UserError, save_file

from . import IDENTIFIER

WORD = re.compile(r"\w+")


@CELERY.task(name=f"{IDENTIFIER}.count-words")
def count_words(db_id: int) -> str:
    """Count the words and keep the counts for the second form."""
    task = ProcessingTask.get_by_id(db_id)
    counts = Counter(word.lower() for word in WORD.findall(task.data["text"]))
    if not counts:
        raise UserError("There are no words in this text.")
    task.data["counts"] = dict(counts.most_common(20))
    task.save(commit=True)
    return f"{counts.total()} words, {len(counts)} different ones"


@CELERY.task(name=f"{IDENTIFIER}.list-lines")
def list_lines(db_id: int) -> str:
    """Write the lines with the chosen word to the result file."""
    task = ProcessingTask.get_by_id(db_id)
    chosen = task.data["word"].lower()
    lines = [
        line
        for line in task.data["text"].splitlines()
        if chosen in (word.lower() for word in WORD.findall(line))
    ]
    save_file(db_id, "\n".join(lines), "lines.txt", "custom/lines", "text/plain")
    return f"{len(lines)} lines with {chosen!r}"
