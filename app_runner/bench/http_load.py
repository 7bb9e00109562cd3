"""A lean HTTP/1.1 load generator: one thread and raw sockets that stay open.

It shares the machine with what it measures, so it does as little as it can: a request is
bytes that are ready to be sent, the end of an answer is found by its Content-Length alone
(RFC 9112, section 6.2).
"""

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

RECEIVE_BYTES = 1 << 18
TIMEOUT_SECONDS = 20.0


class BadAnswer(Exception):
    """The server answered something that must not be counted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: status code, raw head (with the status line), body."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """Give the value of a header, or None; the name's case does not matter."""
        wanted = name.lower().encode() + b":"
        for line in self.head.split(b"\r\n")[1:]:
            if line.lower().startswith(wanted):
                return line[len(wanted) :].strip().decode("latin-1")
        return None


def request_bytes(
    url: str,
    *,
    form: str | None = None,
    accept: str = "application/json",
    packed: bool = False,
) -> bytes:
    """Give the bytes of a GET of `url`, or of a POST if `form` (urlencoded) is given.

    With ``packed`` the answer may come as gzip, as all browsers and most clients let it.
    """
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"{'GET' if form is None else 'POST'} {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Accept: {accept}",
    ]
    if packed:
        lines.append("Accept-Encoding: gzip")
    if form is not None:
        lines.append("Content-Type: application/x-www-form-urlencoded")
        lines.append(f"Content-Length: {len(form)}")
    return ("\r\n".join([*lines, "", form or ""])).encode("latin-1")


def content_length(head: bytes) -> int:
    """Give the length of the body that follows `head`, in bytes.

    Raises BadAnswer when the head does not say it (the generator knows no other framing).
    """
    at = head.lower().find(b"\r\ncontent-length:")
    if at < 0:
        raise BadAnswer(f"no Content-Length in {head[:200]!r}")
    return int(head[at + 17 :].split(b"\r\n", 1)[0])


class Connection:
    """One connection that stays open, with at most one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        self._head_end = -1
        self._total = -1

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        self._received.clear()
        self._head_end = self._total = -1
        self.socket.sendall(request)

    def receive(self) -> Answer | None:
        """Read once; give the answer when it is complete, else None."""
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            raise BadAnswer("the server closed the connection")
        self._received += data
        if self._head_end < 0:
            self._head_end = self._received.find(b"\r\n\r\n")
            if self._head_end < 0:
                return None
            head = bytes(self._received[: self._head_end + 2])
            self._total = self._head_end + 4 + content_length(head)
        return self._answer() if len(self._received) >= self._total else None

    def _answer(self) -> Answer:
        head = bytes(self._received[: self._head_end])
        return Answer(int(head[9:12]), head, bytes(self._received[self._head_end + 4 :]))

    def ask(self, request: bytes) -> Answer:
        """Send a request and wait for its answer."""
        self.send(request)
        while (answer := self.receive()) is None:
            pass
        return answer


def address_of(url: str) -> tuple[str, int]:
    """Give host and port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def get(url: str, accept: str = "application/json") -> Answer:
    """GET a URL once over a connection of its own."""
    with closing(Connection(address_of(url))) as connection:
        return connection.ask(request_bytes(url, accept=accept))


@contextmanager
def connected(url: str, count: int) -> Iterator[list[Connection]]:
    """Open connections to the server of `url`; close them after the block.

    Each has been answered once (with whatever status) before the next is opened: opened
    at once they may all land at the same server process.
    """
    connections: list[Connection] = []
    try:
        for _ in range(count):
            connections.append(Connection(address_of(url)))
            connections[-1].ask(request_bytes(url))
        yield connections
    finally:
        for connection in connections:
            connection.close()


# Gives the next request of a connection, or None when it has nothing more to send.
NextRequest = Callable[[], bytes | None]


def drive(
    connections: list[Connection],
    next_request: NextRequest,
    on_answer: Callable[[Answer], None],
) -> None:
    """Keep each connection busy, a request at a time, until `next_request` ends."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            if (request := next_request()) is not None:
                connection.send(request)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            ready = selector.select(TIMEOUT_SECONDS)
            if not ready:
                raise BadAnswer(f"no answer within {TIMEOUT_SECONDS:.0f} s")
            for key, _events in ready:
                answer = key.data.receive()
                if answer is None:
                    continue
                on_answer(answer)
                if (request := next_request()) is None:
                    selector.unregister(key.fileobj)
                else:
                    key.data.send(request)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from a request to the first byte of its answer, and to the last."""

    first: float
    last: float


def answer_times(url: str, count: int) -> list[Times]:
    """GET `url` one time after the other over one connection; give the times of each."""
    request, times = request_bytes(url, packed=True), []
    with connected(url, 1) as (connection,):
        for _ in range(count):
            start = time.perf_counter()
            connection.send(request)
            answer, first = connection.receive(), time.perf_counter()
            while answer is None:
                answer = connection.receive()
            if answer.status != 200:
                raise BadAnswer(f"{url} answered {answer.status}")
            times.append(Times(first - start, time.perf_counter() - start))
    return times


@dataclass(frozen=True, slots=True)
class Rate:
    """How much was done in how many seconds."""

    count: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Give how much was done per second."""
        return self.count / self.seconds


def request_rate(
    url: str, *, seconds: float, connections: int, expect: int = 200
) -> Rate:
    """Measure how many GETs of `url` are answered over connections that stay open.

    Raises BadAnswer when an answer has another status than `expect`.
    """
    request = request_bytes(url)
    answered = 0

    def count(answer: Answer) -> None:
        nonlocal answered
        if answer.status != expect:
            raise BadAnswer(f"{url} answered {answer.status}: {answer.body[:200]!r}")
        answered += 1

    with connected(url, connections) as opened:
        start = time.perf_counter()
        end = start + seconds
        drive(opened, lambda: request if time.perf_counter() < end else None, count)
        return Rate(answered, time.perf_counter() - start)
