"""The load generator reads answers whole, counts the right ones, keeps connections."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from app_runner.bench.http_load import (
    Answer,
    BadAnswer,
    answer_times,
    connected,
    content_length,
    drive,
    get,
    request_bytes,
    request_rate,
)
from app_runner.bench.measures import (
    TaskFailed,
    burst,
    finished_task,
    latencies,
)

BIG = b"x" * 600_000


class Tasks:
    """What the server knows; a task is done from the third time it is asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        self.forms: list[str] = []
        self.end = "SUCCESS"

    def status(self, path: str) -> str:
        seen = self.asked[path] = self.asked.get(path, 0) + 1
        return self.end if seen > 2 else "PENDING"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Answers are sent in two writes; without this the second waits for an ACK.
    disable_nagle_algorithm = True
    tasks: Tasks

    def do_GET(self) -> None:
        if self.path == "/big":
            self.answer(200, BIG)
        elif self.path.startswith("/t/"):
            self.answer(200, f'{{"status": "{self.tasks.status(self.path)}"}}'.encode())
        else:
            self.answer(404, b"no")

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"]))
        self.tasks.forms.append(form.decode())
        self.answer(303, b"", Location=f"/t/{len(self.tasks.forms)}/")

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def base(tasks: Tasks) -> Iterator[str]:
    handler = type("TaskHandler", (Handler,), {"tasks": tasks})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_answer_in_many_pieces_is_read_whole(base: str) -> None:
    assert get(f"{base}/big").body == BIG


def test_a_connection_serves_many_requests(base: str) -> None:
    answers: list[Answer] = []
    requests = iter([request_bytes(f"{base}/big")] * 10)
    with connected(f"{base}/big", 2) as connections:
        drive(connections, lambda: next(requests, None), answers.append)
    assert [answer.status for answer in answers] == [200] * 10
    assert {len(answer.body) for answer in answers} == {len(BIG)}


def test_other_answers_than_expected_stop_the_measure(base: str) -> None:
    with pytest.raises(BadAnswer, match="404"):
        request_rate(f"{base}/gone", seconds=0.05, connections=1)


def test_answers_are_counted_over_time(base: str) -> None:
    assert request_rate(f"{base}/big", seconds=0.05, connections=2).per_second > 0


def test_the_last_byte_comes_after_the_first(base: str) -> None:
    times = answer_times(f"{base}/big", 3)
    assert len(times) == 3
    assert all(0 < each.first <= each.last for each in times)


def test_a_head_without_length_is_refused() -> None:
    with pytest.raises(BadAnswer, match="Content-Length"):
        content_length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n")


def test_header_names_ignore_case() -> None:
    answer = Answer(303, b"HTTP/1.1 303 SEE OTHER\r\nlocation: /t/1/", b"")
    assert answer.header("Location") == "/t/1/"
    assert answer.header("ETag") is None


def test_a_query_stays_in_the_request() -> None:
    assert request_bytes("http://h:1/a/?b=c").startswith(b"GET /a/?b=c HTTP/1.1\r\n")


def test_a_task_is_followed_until_success(base: str, tasks: Tasks) -> None:
    task = finished_task(f"{base}/process/")
    assert task == f"{base}/t/1/"
    assert tasks.asked == {"/t/1/": 3}


def test_each_latency_is_one_task(base: str, tasks: Tasks) -> None:
    assert len(latencies(f"{base}/process/", 4)) == 4
    assert len(tasks.forms) == 4
    assert set(tasks.forms) == {"inputStr=bench"}


def test_all_tasks_are_submitted_and_followed(base: str, tasks: Tasks) -> None:
    done = burst(f"{base}/process/", tasks=20, clients=3)
    assert done.rate.count == 20
    done.check()
    assert len(tasks.forms) == 20
    assert set(tasks.asked) == {f"/t/{number}/" for number in range(1, 21)}
    assert min(tasks.asked.values()) >= 3


def test_a_failed_task_stops_the_measure(base: str, tasks: Tasks) -> None:
    tasks.end = "FAILURE"
    with pytest.raises(TaskFailed, match="FAILURE"):
        finished_task(f"{base}/process/")
