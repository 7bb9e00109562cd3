"""Plugins made of typed functions: metadata, form, entry point and job follow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from marshmallow import Schema

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.errors import PluginLoadError
from app_runner.plugins.base import PluginBase
from app_runner.plugins.metadata import ApiLink, PluginMetadata, PluginType
from app_runner.tasks import processing
from app_runner.tasks.handle import Output, Task
from app_runner.tasks.limits import Limits, as_bytes
from app_runner.tasks.recorder import CELERY, RecordedTask
from app_runner.ui.parameter_metadata import entry_point
from app_runner.ui.plugin_pages import PluginPage, add_page_view, check_query
from app_runner.ui.processor_views import (
    add_form_view,
    add_metadata_view,
    add_process_view,
    endpoint,
)
from app_runner.ui.processor_work import Function, Processor, as_schema

#: Names in the first part of a plugin's paths that no function can take.
RESERVED = frozenset({"ui", "process", "steps"})


class Plugin(PluginBase):
    """A plugin declared by an object: ``plugin = Plugin("word-count", "1.0.0")``."""

    declared_by_object: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        version: str,
        *,
        title: str = "",
        description: str = "",
        tags: Sequence[str] = (),
        requirements: str = "",
        type: PluginType = PluginType.processing,  # noqa: A002
        scopes: Sequence[str] = (),
        translations: str | None = None,
    ) -> None:
        """Take what the plugin tells about itself; ``title`` is for people.

        Who starts a task needs all of ``scopes`` where others can reach the runner.
        ``translations`` is a folder with catalogues of these texts, and of all labels.
        """
        super().__init__()
        self.declared_in = sys._getframe(1).f_globals.get("__name__", "")
        self.name, self.version = name, version
        self.title = title or name
        self.description = description
        self.tags = list(tags)
        self.requirements = requirements
        self.translations = translations
        self.type = type
        self.scopes = tuple(scopes)
        self.processors: list[Processor] = []
        self.pages: list[PluginPage] = []

    def processor(
        self,
        *,
        outputs: Sequence[Output] = (),
        schema: Schema | type[Schema] | None = None,
        title: str = "",
        time_limit: float | None = None,
        soft_time_limit: float | None = None,
        memory_limit: int | str | None = None,
        on_cancel: Callable[[Task], Any] | None = None,
        priority: int | None = None,
        **task_options: Any,
    ) -> Callable[[Function], Function]:
        """Declare a function that does the work.

        Its first parameter is the task, the others are the plugin's parameters, each with
        an annotation, or those that ``schema`` gives. It returns a text for the log.
        The first processor is the plugin's entry point; further ones are served below
        their function's name.

        The limits (seconds; bytes or a text like ``"2 GB"``) win over those of the
        settings, 0 is none. ``on_cancel`` is called in a job of its own when a task that
        had begun was cancelled. ``priority`` is 0 to 9, 5 without. ``task_options`` are
        Celery's.
        """
        limits = Limits(time_limit, soft_time_limit, as_bytes(memory_limit))
        hook = staticmethod(on_cancel) if on_cancel else None  # not to become a method
        task_options |= {"limits": limits, "on_cancel": hook, "queue_priority": priority}

        def declare(function: Function) -> Function:
            first = not self.processors
            processor = Processor(
                self.identifier,
                function,
                as_schema(schema or function),
                tuple(outputs),
                title or (self.title if first else _words(function.__name__)),
                "" if first else f"{self._free_name(function)}/",
            )
            processor.job = self._job(processor, task_options)
            self.processors.append(processor)
            self.description = self.description or processor.description
            return function

        return declare

    def page(
        self, *, schema: Schema | type[Schema] | None = None, title: str = ""
    ) -> Callable[[Function], Function]:
        """Declare a function that gives a page (HTML) and needs no task.

        Its parameters come from the query. The page is the plugin's form when the plugin
        has no processor, else it is served below the function's name.
        """

        def declare(function: Function) -> Function:
            name = self._free_name(function)
            shown = as_schema(schema or function, skipped=0)
            check_query(shown, name)
            self.pages.append(
                PluginPage(function, shown, title or self.title, path=f"{name}/")
            )
            self.description = self.description or self.pages[-1].description
            return function

        return declare

    def _free_name(self, function: Function) -> str:
        name = function.__name__
        taken = {served.name for served in self._served()}
        if name in taken or name in RESERVED:
            raise PluginLoadError(
                f"plugin {self.name!r} cannot serve two things as {name!r}; call the "
                "function something else"
            )
        return name

    def _job(self, processor: Processor, options: dict[str, Any]) -> RecordedTask:
        def run(job: Any, db_id: int, after_step: int = -1) -> None:
            processing.run(processor, processor.outputs, db_id, job.request, after_step)

        name = f"{self.identifier}.{processor.name}"
        ours = {"bind": True, "ignore_result": True, "claims_task": True}
        return CELERY.task(name=name, **{**options, **ours})(run)

    def processor_of_job(self, task_name: str) -> Processor | None:
        """Give the processor whose tasks have this name."""
        return next((p for p in self.processors if p.job.name == task_name), None)

    def get_requirements(self) -> str:
        """Give the requirements as they were declared."""
        return self.requirements

    def get_api_blueprint(self) -> SecurityBlueprint:
        """Make the routes: metadata, forms, entry points and pages."""
        if not self.processors and not self.pages:
            raise NotImplementedError
        blueprint = SecurityBlueprint(
            self.identifier, __name__, description=str(self.description)
        )
        add_metadata_view(blueprint, "", "PluginView", self.metadata)
        for processor in self.processors:
            self._add_processor(blueprint, processor)
        for number, page in enumerate(self.pages):
            if number == 0 and not self.processors:
                page.path = "ui/"
            add_page_view(blueprint, self, page)
        return blueprint

    def _add_processor(self, blueprint: SecurityBlueprint, processor: Processor) -> None:
        if processor.path:
            name = endpoint(processor, "PluginView")
            add_metadata_view(
                blueprint, processor.path, name, lambda: self.metadata(processor)
            )
        add_form_view(blueprint, self, processor)
        add_process_view(blueprint, self, processor)

    def metadata(self, processor: Processor | None = None) -> PluginMetadata:
        """Tell all about the plugin, or about a further processor of it.

        URLs are relative to where the metadata is served.
        """
        shown = processor or next(iter(self.processors), None)
        page = next((p for p in self.pages if p.path == "ui/"), None)
        further = [] if processor else self._links()
        return PluginMetadata(
            title=self.told(processor.title if processor else self.title),
            description=self.told((processor or self).description),
            name=self.name,
            version=self.version,
            type=self.type,
            entry_point=entry_point(shown or page),
            tags=list(self.tags),
            links=further,
        )

    def _served(self) -> list[Processor | PluginPage]:
        return [*self.processors, *self.pages]

    def _links(self) -> list[ApiLink]:
        every = self._served()
        served = [(p.name, p.path) for p in every if p.path and p.path != "ui/"]
        return [ApiLink(type=name, href=f"./{path}") for name, path in served]


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
