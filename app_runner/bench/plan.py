"""The measures in the order in which they run, each with its target."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median

from . import authoring, million, outage, over_http, streams, transfers
from .http_load import Times, answer_times, request_rate
from .measures import burst, finished_task, latencies
from .plugins import PROCESSOR_NAME, chain_name
from .report import Row, Target
from .scene import FEW, LIST, MANY, OPENAPI, PROCESS, Scene
from .sides import Side
from .turns import MEGABYTE, MILLISECOND, Work, in_turns, metered, row

Measure = Callable[[Scene], Iterator[Row]]

KINDS = ("processor", "chain")


def compared(
    scene: Scene, name: str, sides: Sequence[tuple[Side, str]], target: Target
) -> Row:
    """Measure the requests/s of two sides' URLs, the reference's first, in turns."""
    effort = scene.effort

    def one(url: str) -> Work:
        rate = request_rate(url, seconds=effort.seconds, connections=effort.connections)
        return Work(rate.per_second, rate.count)

    turns = [metered(side, url, one) for side, url in sides]
    reference, runner = in_turns(effort.rounds, *turns)
    return row(name, "requests/s", runner, reference, target)


def requests(scene: Scene) -> Iterator[Row]:
    """Requests per second over connections that stay open."""
    runner, floor = scene.runner, scene.floor
    for name, path, bound in (
        ("list of plugins", LIST, 0.9),
        ("plugin metadata", scene.metadata_path, 0.8),
        ("OpenAPI document", OPENAPI, 0.9),
    ):
        sides = (floor, floor.url(path)), (runner, runner.url(path))
        yield compared(scene, name, sides, Target("at least", bound))
    tasks = (
        (floor, finished_task(floor.url(PROCESS))),
        (runner, finished_task(scene.entry_point(runner, PROCESSOR_NAME))),
    )
    yield compared(scene, "task status", tasks, Target("at least", 0.7))


def task_rows(
    scene: Scene,
    name: str,
    unit: str,
    one: Callable[[str], Work],
    targets: Sequence[Target],
) -> Iterator[Row]:
    """Measure something of the floor's chain, our processor and our chain, in turns."""
    runner, floor = scene.runner, scene.floor
    floor_turn = metered(floor, floor.url(PROCESS), one)
    urls = [scene.entry_point(runner, name) for name in (PROCESSOR_NAME, chain_name(0))]
    turns = [metered(runner, url, one) for url in urls]
    reference, *figures = in_turns(scene.effort.rounds, floor_turn, *turns)
    for kind, samples, target in zip(KINDS, figures, targets, strict=True):
        yield row(f"{name}, {kind}", unit, samples, reference, target)


def latency(scene: Scene) -> Iterator[Row]:
    """Latency from submit to SUCCESS: one task at a time, polled every 1 ms."""

    def one(url: str) -> Work:
        taken = latencies(url, scene.effort.latency_tasks)
        return Work(median(taken) / MILLISECOND, len(taken))

    targets = [Target("at most", 1.2), Target("at most", 1.5)]
    yield from task_rows(scene, "submit to SUCCESS", "ms", one, targets)


def throughput(scene: Scene) -> Iterator[Row]:
    """Tasks per second from the first submit to the last SUCCESS."""
    effort = scene.effort

    def one(url: str) -> Work:
        done = burst(url, tasks=effort.throughput_tasks, clients=effort.clients)
        return Work(done.rate.per_second, done.rate.count, done.check)

    targets = [Target("at least", 0.8), Target("at least", 0.45)]
    yield from task_rows(scene, "tasks", "tasks/s", one, targets)


def documents(scene: Scene) -> Iterator[Row]:
    """Time of the OpenAPI document with many plugins against that with few.

    As browsers do, and most clients, it is asked for packed.
    """

    def times(side: Side) -> Times:
        taken = answer_times(side.url(OPENAPI), scene.effort.documents)
        firsts, lasts = [each.first for each in taken], [each.last for each in taken]
        return Times(median(firsts) / MILLISECOND, median(lasts) / MILLISECOND)

    sides = scene.runner, scene.large
    few, many = in_turns(scene.effort.rounds, *(partial(times, side) for side in sides))
    name = f"OpenAPI, {MANY} plugins (floor: {FEW}), first byte"
    firsts = [each.first for each in many], [each.first for each in few]
    yield Row(name, "ms", *firsts, Target("at most", 1.1))
    lasts = [each.last for each in many], [each.last for each in few]
    yield Row(name.replace("first", "last"), "ms", *lasts, Target("at most", 1.1))


def start(scene: Scene) -> Iterator[Row]:
    """The time of `create_app` with few and many plugins, and what a plugin adds."""
    scene.one_start(FEW), scene.one_start(MANY)  # compiles, and warms the disk cache
    few, many = [], []
    for _ in range(scene.effort.starts):
        few.append(scene.one_start(FEW))
        many.append(scene.one_start(MANY))
    for count, starts in ((FEW, few), (MANY, many)):
        figures = [each["create_app"] / MILLISECOND for each in starts]
        yield Row(f"create_app, {count} plugins", "ms", figures)
    imports = [per_plugin(*pair, "imports") for pair in zip(few, many, strict=True)]
    yield Row("import of one plugin", "CPU ms", imports)
    beyond = [
        per_plugin(*pair, "cpu") - per_plugin(*pair, "imports")
        for pair in zip(few, many, strict=True)
    ]
    target = Target("at most", 3.0, on="figure")
    yield Row("one plugin beyond its import", "CPU ms", beyond, target=target)


def per_plugin(few: dict[str, float], many: dict[str, float], what: str) -> float:
    """Give the milliseconds that one more plugin costs, from two starts."""
    added = many["modules"] - few["modules"]
    if added != MANY - FEW:
        raise ValueError(f"{added} modules were imported for {MANY - FEW} plugins")
    return (many[what] - few[what]) / added / MILLISECOND


def memory(scene: Scene) -> Iterator[Row]:
    """Memory of a server worker after its first requests; seconds to the first."""
    sides = {FEW: scene.runner, MANY: scene.large}
    floor = scene.floor
    for count, side in sides.items():
        yield Row(
            f"server worker, {count} plugins",
            "MB resident",
            [side.worker_memory() / MEGABYTE],
            [floor.worker_memory() / MEGABYTE],
        )
    for count, side in sides.items():
        seconds = [side.start_seconds], [floor.start_seconds]
        yield Row(f"start to first answer, {count} plugins", "s", *seconds)


MEASURES: dict[str, Measure] = {
    "requests": requests,
    "latency": latency,
    "throughput": throughput,
    "openapi": documents,
    "start": start,
    "memory": memory,
    "events": streams.latency,
    "streams": streams.idle,
    "outage": outage.submits,
    "forms": authoring.forms,
    "tables": authoring.tables,
    "processors": authoring.start,
    "messages": authoring.messages,
    "files": transfers.files,
    "http": over_http.files,
    "results": transfers.results,
    "million": million.requests,
}
#: What takes minutes, and is measured when it is asked for.
ON_REQUEST = ("million",)
