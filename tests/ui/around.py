"""The page around a form, as a test sees it: what it received, and what it says."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.ui import messages
from tests.ui.messages import kind_of


class Host:
    """The page at ``url``; every message in both directions must be a known one."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(url)
        self.form = page.frame_locator("#form")
        self.wait_for("ui-loaded")

    def every(self) -> list[Any]:
        """Give all messages of the form so far."""
        told = self.page.evaluate("received.filter((m) => m.fromForm).map((m) => m.data)")
        for message in told:
            messages.check(message, messages.TEXTS_OF_FORM, messages.OF_FORM)
        return list(told)

    def received(self, kind: str) -> list[Any]:
        """Give the messages of one kind."""
        return [message for message in self.every() if kind_of(message) == kind]

    def wait_for(self, kind: str) -> Any:
        """Wait for a message and give the last one of its kind."""
        self.page.wait_for_function(
            "kind => received.some((m) => (m.data.type || m.data) === kind)", arg=kind
        )
        return self.received(kind)[-1]

    def tell(self, message: Any) -> None:
        """Send a message to the form."""
        messages.check(message, messages.TEXTS_OF_HOST, messages.OF_HOST)
        self.page.evaluate("message => tell(message)", message)

    def show(self, url: str) -> None:
        """Put another form into the frame, and forget what was received."""
        self.page.evaluate(
            "url => { received.length = 0; document.getElementById('form').src = url; }",
            url,
        )
        self.wait_for("ui-loaded")
