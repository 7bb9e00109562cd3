"""The measures in the order in which they run, each with its target."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from .http_load import requests_per_second
from .measures import finished_task, latencies, tasks_per_second
from .plugins import PROCESSOR_NAME, chain_name
from .report import Row, Target
from .scene import FEW, LIST, MANY, OPENAPI, PROCESS, Scene

Turn = Callable[[], float]
Measure = Callable[[Scene], Iterator[Row]]

MEGABYTE = 1e6
MILLISECOND = 1e-3


def in_turns(rounds: int, *turns: Turn) -> list[list[float]]:
    """Take each turn once per round, every other round backwards; give the figures."""
    figures: list[list[float]] = [[] for _ in turns]
    for number in range(rounds):
        order = list(range(len(turns)))
        for at in order if number % 2 == 0 else reversed(order):
            figures[at].append(turns[at]())
    return figures


def compared(scene: Scene, name: str, urls: tuple[str, str], target: Target) -> Row:
    """Measure the requests/s of two URLs, the reference's first, in turns."""
    effort = scene.effort
    rate = partial(
        requests_per_second, seconds=effort.seconds, connections=effort.connections
    )
    reference, runner = in_turns(effort.rounds, *(partial(rate, url) for url in urls))
    return Row(name, "requests/s", runner, reference, target)


def requests(scene: Scene) -> Iterator[Row]:
    """Requests per second over connections that stay open."""
    runner, floor = scene.runner, scene.floor
    for name, path, bound in (
        ("list of plugins", LIST, 0.9),
        ("plugin metadata", scene.metadata_path, 0.8),
        ("OpenAPI document", OPENAPI, 0.9),
    ):
        urls = floor.url(path), runner.url(path)
        yield compared(scene, name, urls, Target("at least", bound))
    tasks = (
        finished_task(floor.url(PROCESS)),
        finished_task(scene.entry_point(runner, PROCESSOR_NAME)),
    )
    yield compared(scene, "task status", tasks, Target("at least", 0.6))


def task_rows(
    scene: Scene, name: str, unit: str, one: Callable[[str], float], targets: list[Target]
) -> Iterator[Row]:
    """Measure something of the floor's chain, our processor and our chain, in turns."""
    runner = scene.runner
    urls = (
        scene.floor.url(PROCESS),
        scene.entry_point(runner, PROCESSOR_NAME),
        scene.entry_point(runner, chain_name(0)),
    )
    figures = in_turns(scene.effort.rounds, *(partial(one, url) for url in urls))
    kinds = ("processor", "chain")
    for kind, figure, target in zip(kinds, figures[1:], targets, strict=True):
        yield Row(f"{name}, {kind}", unit, figure, figures[0], target)


def latency(scene: Scene) -> Iterator[Row]:
    """Latency from submit to SUCCESS: one task at a time, polled every 1 ms."""

    def one(url: str) -> float:
        return median(latencies(url, scene.effort.latency_tasks)) / MILLISECOND

    targets = [Target("at most", 1.5), Target("at most", 1.5)]
    yield from task_rows(scene, "submit to SUCCESS", "ms", one, targets)


def throughput(scene: Scene) -> Iterator[Row]:
    """Tasks per second from the first submit to the last SUCCESS."""
    effort = scene.effort

    def one(url: str) -> float:
        return tasks_per_second(
            url, tasks=effort.throughput_tasks, clients=effort.clients
        )

    targets = [Target("at least", 0.6), Target("at least", 0.45)]
    yield from task_rows(scene, "tasks", "tasks/s", one, targets)


def documents(scene: Scene) -> Iterator[Row]:
    """The OpenAPI document with many plugins against that with few."""
    urls = scene.runner.url(OPENAPI), scene.large.url(OPENAPI)
    target = Target("at least", 0.9)
    yield compared(scene, f"OpenAPI, {MANY} plugins against {FEW}", urls, target)


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
    yield Row("import of one plugin", "ms", imports)
    beyond = [
        per_plugin(*pair, "create_app") - per_plugin(*pair, "imports")
        for pair in zip(few, many, strict=True)
    ]
    target = Target("at most", 3.0, on="figure")
    yield Row("one plugin beyond its import", "ms", beyond, target=target)


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
}
