"""Links inside the project lead somewhere, and commands that are named exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from invoke.collection import Collection

import tasks
from tests.docs.pages import ROOT, all_pages, anchors, links

PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in all_pages()]
RUN = re.compile(r"\./run ([a-z][a-z-]*)")
#: What `run` itself or the reader fills in.
NOT_TASKS = {"help"}


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_to_files_and_headings_that_exist(page: Path) -> None:
    wrong = []
    for target in links(page):
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            wrong.append(target)
    assert wrong == []


def test_commands_that_pages_name_are_tasks() -> None:
    known = set(Collection.from_module(tasks).task_names)
    named = {
        word for page in all_pages() for word in RUN.findall(page.read_text("utf-8"))
    }
    assert len(named) > 5
    assert named - known - NOT_TASKS == set()


def test_pages_name_no_folder_of_a_machine_and_no_package_index() -> None:
    words = re.compile(r"/(?:root|work|tmp)/\w|pypi\.org|files\.pythonhosted", re.ASCII)
    found = [page for page in all_pages() if words.search(page.read_text("utf-8"))]
    assert found == []
