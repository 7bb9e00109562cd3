"""The client of a plugin registry: finds resources there, tells it of virtual plugins.

A registry is a help, never a need: when it is away, or not set at all, every question is
answered with None at once, and nothing else fails. The names follow the QHAna plugin
runner.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from flask import Flask, has_app_context
from requests.exceptions import RequestException

from app_runner.db.signals import VIRTUAL_PLUGIN_CREATED, VIRTUAL_PLUGIN_REMOVED
from app_runner.errors import UnavailableError
from app_runner.fetch import Fetcher
from app_runner.state import RunnerState, current_runner, state_of
from app_runner.tasks.interop import UnexpectedAnswer, json_object
from app_runner.tasks.jobs import CORE
from app_runner.tasks.neighbours import MAX_DOCUMENT

LOG = logging.getLogger(__name__)
#: A link as the registry writes it: href, rel, resourceType, …
Link = Mapping[str, Any]
#: Seconds without a question after one that was not answered.
PAUSE = 30.0
#: Requests of one search; a registry that links in circles ends there.
MAX_REQUESTS = 50
METHODS = ("post", "put", "delete")
CACHE = "plugin_registry"


@dataclass
class ApiResponse:
    """A resource of the registry, with the resources that came embedded in it."""

    data: Mapping[str, Any]
    links: Sequence[Link] = ()
    keyed_links: Sequence[Link] = ()
    embedded: dict[str, ApiResponse] | None = None

    @classmethod
    def of_document(cls, document: Mapping[str, Any], url: str) -> ApiResponse:
        """Read the JSON object at ``url``; raises `UnexpectedAnswer` when it is none."""
        data = document.get("data")
        if not isinstance(data, Mapping) or not isinstance(document.get("links"), list):
            raise UnexpectedAnswer(f"{url} is no resource of a plugin registry")
        inner = [cls.of_document(one, url) for one in document.get("embedded") or ()]
        embedded = {str(one.link.get("href")): one for one in inner}
        keyed = document.get("keyedLinks") or ()
        return cls(data, document["links"], keyed, embedded or None)

    @property
    def link(self) -> Link:
        """Give the link that leads to this resource."""
        found = self.data.get("self")
        return found if isinstance(found, Mapping) else {}

    def matches_rel(self, rel: str | Sequence[str]) -> bool:
        """Tell whether the resource is of all these relations or types."""
        return matches(self.link, rel)

    def get_links_by_rel(self, rel: str | Sequence[str]) -> list[Link]:
        """Give the links of all these relations or types."""
        return [link for link in self.links if matches(link, rel)]

    def is_collection_resource(self) -> bool:
        """Tell whether the resource only lists others."""
        return self.matches_rel("collection") or self.matches_rel("page")


def matches(link: Link, rel: str | Sequence[str]) -> bool:
    """Tell whether ``link`` has all of ``rel`` as its relations or type."""
    wanted = {rel} if isinstance(rel, str) else set(rel)
    return wanted <= {*(link.get("rel") or ()), link.get("resourceType")}


@dataclass
class Search:
    """One walk through the registry, each resource at most once."""

    rel: str | Sequence[str]
    query: Mapping[str, Any] | None
    collections: bool
    until: float  # on the monotonic clock
    seen: set[str] = field(default_factory=set)

    def ends_with(self, resource: ApiResponse) -> bool:
        """Tell whether ``resource`` is what is looked for."""
        alone = self.collections or not resource.is_collection_resource()
        return alone and resource.matches_rel(self.rel)

    def goes_to(self, href: str) -> bool:
        """Tell whether to look there, which is done once."""
        more = len(self.seen) < MAX_REQUESTS and time.monotonic() < self.until
        new = more and href not in self.seen
        self.seen.add(href)
        return new


class PluginRegistryClient:
    """Asks the registry of PLUGIN_REGISTRY_URL; ``timeout`` is in seconds."""

    def __init__(self, app: Flask | None = None, timeout: float = 5) -> None:
        """Take the app whose registry to ask; else it is that of the current app."""
        self._app, self._timeout = app, timeout

    def init_app(self, app: Flask) -> None:
        """Take an app whose registry to ask."""
        self._app = app

    def __enter__(self) -> Self:
        """Begin a group of questions."""
        return self

    def __exit__(self, *error: object) -> None:
        """End it; nothing is held between questions."""

    @property
    def _state(self) -> RunnerState:
        return current_runner if self._app is None else state_of(self._app)

    @property
    def plugin_registry_url(self) -> str | None:
        """Give the URL of the registry, if there is one."""
        url: str | None = self._state.settings["PLUGIN_REGISTRY_URL"]
        return url or None

    @property
    def ready(self) -> bool:
        """Tell whether a registry is set."""
        return self.plugin_registry_url is not None

    def search_by_rel(
        self,
        rel: str | Sequence[str],
        query_params: Mapping[str, Any] | None = None,
        allow_collection_resource: bool = True,
        base: ApiResponse | None = None,
    ) -> ApiResponse | None:
        """Find the first resource of these relations, from ``base`` or the root on.

        The query goes to the resources that match and to those that are searched for
        it. Gives None when there is none, or no registry that answers.
        """
        until = time.monotonic() + 4 * self._timeout
        search = Search(rel, query_params, allow_collection_resource, until)
        try:
            start = base or self._root(search)
            return None if start is None else self._search(start, search)
        except RequestException as error:
            self._gone(error)
            return None

    def find_link(self, rel: Sequence[str]) -> Link | None:
        """Give the link of these relations at the root, or where the first leads to."""
        url = self.plugin_registry_url
        root = self.fetch_by_api_link({"href": url}) if url else None
        found = root.get_links_by_rel(rel) if root else []
        if root and not found:
            below = self.search_by_rel(rel[0], base=root)
            found = below.get_links_by_rel(rel) if below else []
        return found[0] if found else None

    def fetch_by_api_link(
        self, link: Link, query_params: Mapping[str, Any] | None = None, json: Any = None
    ) -> ApiResponse | None:
        """Follow a link of the registry, with the method its relations name.

        Gives None when nothing (or no registry) is there.
        """
        try:
            return self._follow(link, query_params, json)
        except RequestException as error:
            self._gone(error)
            return None

    def _root(self, search: Search) -> ApiResponse | None:
        url = self.plugin_registry_url
        if url is None or self._paused:
            return None
        search.seen.add(url)
        return self._fetch(url)

    def _search(self, start: ApiResponse, search: Search) -> ApiResponse | None:
        waiting = [start]
        while waiting:
            resource = waiting.pop(0)
            if search.ends_with(resource):
                return resource
            for link in self._next_links(resource, search):
                href = str(link.get("href"))
                if not search.goes_to(href):
                    continue
                found = (resource.embedded or {}).get(href)
                found = found or self._follow(link, search.query)
                if found is not None and search.ends_with(found):
                    return found
                waiting += [found] if found else []
        return None

    def _next_links(self, resource: ApiResponse, search: Search) -> Iterator[Link]:
        """Give the links worth following: those that match first, then those to APIs."""
        if resource.is_collection_resource():
            yield from resource.data.get("items") or ()
        for link in (*resource.get_links_by_rel(search.rel), *_apis(resource)):
            if not set(METHODS) & set(link.get("rel") or ()):
                yield link

    def _follow(
        self, link: Link, query: Mapping[str, Any] | None, json: Any = None
    ) -> ApiResponse | None:
        if self._paused:
            return None
        named = (method for method in METHODS if method in (link.get("rel") or ()))
        method, root = next(named, "get"), self.plugin_registry_url or ""
        return self._fetch(urljoin(root, str(link["href"])), query, method.upper(), json)

    def _fetch(
        self,
        url: str,
        query: Mapping[str, Any] | None = None,
        method: str = "GET",
        json: Any = None,
    ) -> ApiResponse:
        options: dict[str, Any] = {} if json is None else {"json": json}
        fetcher = registry_fetcher(self._state, self.plugin_registry_url or url)
        with fetcher.open(
            with_query(url, query),
            method=method,
            timeout=self._timeout,
            max_seconds=2 * self._timeout,
            max_bytes=MAX_DOCUMENT,
            **options,
        ) as response:
            if response.status_code == HTTPStatus.NO_CONTENT:
                return ApiResponse({"self": {"href": url, "resourceType": "accepted"}})
            return ApiResponse.of_document(json_object(response), url)

    @property
    def _paused(self) -> bool:
        silent_until: float = self._state.caches.get(CACHE, 0.0)
        return time.monotonic() < silent_until

    def _gone(self, error: RequestException) -> None:
        LOG.warning("The plugin registry gives no answer: %s", error)
        if error.response is None and not isinstance(error, UnexpectedAnswer):
            self._state.caches[CACHE] = time.monotonic() + PAUSE


def _apis(resource: ApiResponse) -> list[Link]:
    return resource.get_links_by_rel("api")


def with_query(url: str, query: Mapping[str, Any] | None) -> str:
    """Give ``url`` with ``query`` added to the query that it has."""
    parts = urlsplit(url)
    both = "&".join(filter(None, (parts.query, urlencode(query or {}, doseq=True))))
    return urlunsplit(parts._replace(query=both))


def registry_fetcher(state: RunnerState, registry: str) -> Fetcher:
    """Give the guarded door with the host of the registry open: an operator set it."""
    policy, host = state.fetcher.policy, urlsplit(registry).hostname or ""
    allowed = (*policy.allowed_hosts, host)
    return Fetcher(replace(policy, allowed_hosts=allowed), state.fetcher.resolver)


#: The registry of the current runner.
PLUGIN_REGISTRY_CLIENT = PluginRegistryClient()


@CORE.task(name="app-runner.tell-registry", ignore_result=True)
def tell_registry(plugin_url: str) -> None:
    """Let the registry look at a plugin again, which came or went."""
    link = PLUGIN_REGISTRY_CLIENT.find_link(("plugin", "post"))
    if link is not None:
        PLUGIN_REGISTRY_CLIENT.fetch_by_api_link(link, {"url": plugin_url})


@VIRTUAL_PLUGIN_CREATED.connect
@VIRTUAL_PLUGIN_REMOVED.connect
def _changed(app: Flask, plugin_url: str, **_more: Any) -> None:
    """Tell the registry by a job, because the sender must not wait for it."""
    if not (has_app_context() and current_runner.settings["PLUGIN_REGISTRY_URL"]):
        return
    try:
        tell_registry.apply_async(kwargs={"plugin_url": plugin_url})
    except UnavailableError as error:
        LOG.warning("The plugin registry is not told of %s: %s", plugin_url, error)
