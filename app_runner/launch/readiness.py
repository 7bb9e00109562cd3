"""Asks the server whether the runner is ready, as any client would."""

from __future__ import annotations

import http.client
import json
from threading import Event, Thread
from urllib.parse import urlsplit

from app_runner.babel import gettext as _

EVERY = 0.1  # seconds between two questions
PATIENCE = 5.0  # seconds for one answer


class ReadyProbe:
    """Asks ``/health/ready`` in a thread of its own until it is 200."""

    def __init__(self, url: str, host_name: str | None = None) -> None:
        """``host_name``: what to ask for when the runner answers to one name only."""
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._host = host_name or parts.netloc
        self.ready = False
        self.last = _("there was no answer")
        self._enough = Event()
        Thread(target=self._run, daemon=True, name="ready-probe").start()

    def is_ready(self) -> bool:
        """Tell whether the server has said so."""
        return self.ready

    def missing(self) -> str:
        """Say in one line what the last answer was."""
        return str(
            _("The runner did not get ready; at last: %(answer)s", answer=self.last)
        )

    def stop(self) -> None:
        """Ask no more."""
        self._enough.set()

    def _run(self) -> None:
        while not self.ready and not self._enough.is_set():
            try:
                self.ready = self._ask()
            except (OSError, http.client.HTTPException) as error:
                self.last = str(error) or type(error).__name__
            self._enough.wait(EVERY)

    def _ask(self) -> bool:
        connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE)
        try:
            connection.request("GET", "/health/ready", headers={"Host": self._host})
            answer = connection.getresponse()
            body = answer.read(10_000).decode("utf-8", "replace")
        finally:
            connection.close()
        self.last = f"{answer.status} {_compact(body)}"
        return answer.status == 200


def _compact(body: str) -> str:
    """Give a JSON document on one line, anything else shortened."""
    try:
        return json.dumps(json.loads(body))
    except ValueError:
        return " ".join(body.split())[:200]
