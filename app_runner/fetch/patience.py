"""When a request that failed is worth another try, and after how long."""

from __future__ import annotations

import time

import requests
from requests.exceptions import ConnectionError as FetchConnectionError

from app_runner.fetch.allowance import Allowance
from app_runner.fetch.refusals import FetchRefused

#: Answers of servers that may do better soon.
BUSY = (429, 502, 503, 504)
#: Seconds before the first new try, doubled each time, and the longest wait.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0


class Patience:
    """How often one fetch is tried again, in all its redirects together."""

    def __init__(self, tries: int, allowance: Allowance) -> None:
        """Take how often, and what waiting is counted on."""
        self.tries = tries
        self._allowance = allowance
        self._pause = FIRST_PAUSE

    def for_error(self, error: requests.RequestException) -> bool:
        """Wait and tell whether to try again after no answer came."""
        lost = isinstance(error, FetchConnectionError) and not isinstance(
            error, FetchRefused
        )
        return lost and self._wait(self._pause)

    def for_answer(self, response: requests.Response) -> bool:
        """Wait and tell whether to try again after this answer."""
        if response.status_code not in BUSY:
            return False
        asked = response.headers.get("Retry-After", "")
        pause = float(asked) if asked.isdecimal() and len(asked) < 9 else self._pause
        return pause <= LONGEST_PAUSE and self._wait(pause)

    def _wait(self, seconds: float) -> bool:
        if self.tries <= 0 or self._allowance.ended is not None:
            return False
        self.tries -= 1
        self._pause *= 2
        time.sleep(self._allowance.next_wait(seconds))
        self._allowance.waited(seconds)
        return True
