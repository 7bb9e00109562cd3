"""How many bytes and seconds one fetch may take, counted where they are spent."""

from __future__ import annotations

from app_runner.babel import gettext as _
from app_runner.fetch.refusals import FetchRefused, FetchTooLarge, FetchTooSlow

#: Bytes on the wire that are not body: headers, framing of chunks, redirects.
OVERHEAD = 2**20


class Allowance:
    """What is left of one fetch, all its redirects together.

    Seconds are those spent waiting for the other side: a reader that takes its time
    between two reads does not pay for it, a server that sends a byte a minute does.
    """

    def __init__(self, max_bytes: float, max_seconds: float) -> None:
        """Begin with ``max_bytes`` (of the body) and ``max_seconds``."""
        self.max_bytes = max_bytes
        self.max_seconds = max_seconds
        self._waited = 0.0
        self._received = 0
        self._unpacked = 0
        #: The refusal that ended this fetch, for those who only see its consequence.
        self.ended: FetchRefused | None = None

    def at_most(self, count: int) -> Allowance:
        """Give one for at most ``count`` bytes, with nothing spent yet."""
        return Allowance(min(count, self.max_bytes), self.max_seconds)

    def next_wait(self, longest: float | None) -> float:
        """Give the seconds that one wait may take, at most ``longest``; more than 0."""
        left = self.max_seconds - self._waited
        if left <= 0:
            raise self._end(self._too_slow())
        return left if longest is None else min(left, longest)

    def waited(self, seconds: float) -> None:
        """Count ``seconds`` of waiting; raises `FetchTooSlow` when they are used up."""
        self._waited += seconds
        if self._waited >= self.max_seconds:
            raise self._end(self._too_slow())

    def received(self, count: int) -> None:
        """Count bytes from the network; raises `FetchTooLarge` when they are too many."""
        self._received += count
        if self._received > self.max_bytes + OVERHEAD:
            raise self._end(self._too_large())

    def unpacked(self, count: int) -> None:
        """Count bytes of the body as its reader sees them; raises `FetchTooLarge`."""
        self._unpacked += count
        self.refuse_size(self._unpacked)

    def refuse_size(self, count: int) -> None:
        """Raise `FetchTooLarge` when a body of ``count`` bytes is more than allowed."""
        if count > self.max_bytes:
            raise self._end(self._too_large())

    def _too_large(self) -> FetchTooLarge:
        text = _(
            "The answer is larger than %(count)s bytes, the most that is fetched "
            "(setting FETCH_MAX_BYTES).",
            count=self.max_bytes,
        )
        return FetchTooLarge(text)

    def _too_slow(self) -> FetchTooSlow:
        seconds = f"{self.max_seconds:g}"
        text = _("The other side took longer than %(seconds)s seconds.", seconds=seconds)
        return FetchTooSlow(text)

    def _end(self, refusal: FetchRefused) -> FetchRefused:
        self.ended = refusal
        return refusal
