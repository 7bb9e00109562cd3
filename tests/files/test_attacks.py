"""Attacks by files and URLs; each succeeds when the defence it meets is taken away."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests
from flask import Flask
from werkzeug.wrappers import Response

from app_runner.api import files
from app_runner.api.file_links import lasting_url
from app_runner.data.archives import (
    DEFAULT_LIMITS,
    ArchiveLimits,
    ArchiveRefused,
    get_files_from_zip,
)
from app_runner.errors import StoreError
from app_runner.fetch import (
    AddressRules,
    Fetcher,
    FetchPolicy,
    FetchRefused,
    FileRefused,
    SchemeRefused,
)
from app_runner.fetch.route import Route
from app_runner.files.local import LocalStore
from app_runner.tasks import records, results
from tests.fetch.servers import Exchange, Names, serving

GUARDED = FetchPolicy()
OPEN = FetchPolicy(allow_private=True)
SECRET = b"the secret of an internal service"


def secret(exchange: Exchange) -> None:
    exchange.reply(SECRET)


# -- addresses ---------------------------------------------------------------------------

LOOPBACK = ["127.0.0.1", "localhost", "127.1.2.3", "0.0.0.0", "[::ffff:127.0.0.1]"]
SPELLED = ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "017700000001"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_no_address_of_this_machine_is_reached(host: str) -> None:
    names = Names(localhost=[["127.0.0.1"]])
    address = "127.1.2.3" if host == "127.1.2.3" else "127.0.0.1"
    with serving(secret, address) as server:
        url = server.url(host)
        with pytest.raises(FetchRefused):
            Fetcher(GUARDED, getaddrinfo=names).open(url)
        assert server.connections == 0
        with Fetcher(OPEN, getaddrinfo=names).open(url) as taken:  # the defence is off
            assert taken.content == SECRET


@pytest.mark.parametrize("host", SPELLED)
def test_no_odd_spelling_of_it_is_reached(host: str) -> None:
    with serving(secret) as server:
        for policy in (GUARDED, OPEN):
            with pytest.raises(FetchRefused):
                Fetcher(policy).open(server.url(host))
        assert server.connections == 0
        taken = requests.get(server.url(host), timeout=5)  # without the door
        assert taken.content == SECRET


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fd00:ec2::254", "100.100.100.200"),
        *("169.254.1.1", "fe80::1", "100.64.0.1", "10.0.0.1", "192.168.0.1", "fc00::1"),
        *("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::1", "0.0.0.0"),
    ],
)
def test_no_internal_network_is_reached(address: str) -> None:
    from ipaddress import ip_address

    inner = {"::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"}
    parsed = ip_address(address)
    assert AddressRules(False, ()).refused_kind("host", parsed) is not None
    opened = (address, "10.0.0.1") if address in inner else (address,)
    assert AddressRules(False, opened).refused_kind("host", parsed) is None  # off


def test_a_name_that_changes_its_mind_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = FetchPolicy(allowed_hosts=("127.0.0.2",), timeout=2, retries=0)
    with serving(secret) as server:
        url = server.url("rebind.test")
        names = Names(rebind_test=[["127.0.0.2"], ["127.0.0.1"]])
        with pytest.raises(requests.RequestException):
            Fetcher(policy, getaddrinfo=names).open(url)
        assert server.connections == 0
        # who looks the name up once more to connect is led astray
        names = Names(rebind_test=[["127.0.0.2"], ["127.0.0.1"]])
        to_checked = Route._connected

        def to_name(self: Route, family: Any, address: Any, seconds: float) -> Any:
            anew = names("rebind.test", server.port)[0][4]
            return to_checked(self, family, anew, seconds)

        monkeypatch.setattr(Route, "_connected", to_name)
        with Fetcher(policy, getaddrinfo=names).open(url) as taken:
            assert taken.content == SECRET


# -- file: URLs --------------------------------------------------------------------------


def test_no_redirect_leads_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_bytes(SECRET)
    policy = FetchPolicy(allow_private=True, file_roots=(tmp_path,))
    with serving(lambda exchange: exchange.redirect(file.as_uri())) as server:
        with pytest.raises(SchemeRefused):
            Fetcher(policy).open(server.url())
        # who follows by hand takes the rule for redirects away
        answer = Fetcher(policy).open(server.url(), allow_redirects=False)
        with Fetcher(policy).open(answer.headers["Location"]) as taken:
            assert taken.content == SECRET


@pytest.mark.parametrize("way", ["{}", "{}/../passwords", "{}/%2e%2e/passwords", "link"])
def test_no_file_outside_of_the_roots_is_read(tmp_path: Path, way: str) -> None:
    root, file = tmp_path / "root", tmp_path / "passwords"
    root.mkdir()
    file.write_bytes(SECRET)
    (root / "link").symlink_to(file)
    target = {"{}": file, "link": root / "link"}.get(way)
    url = target.as_uri() if target else way.format(root.as_uri())
    with pytest.raises(FileRefused):
        Fetcher(FetchPolicy(file_roots=(root,))).open(url)
    with Fetcher(FetchPolicy(file_roots=(tmp_path,))).open(url) as taken:  # off
        assert taken.content == SECRET


# -- names -------------------------------------------------------------------------------

NAMES = [
    *("../../escaped", "/etc/passwd", "..\\..\\escaped", "C:\\Windows\\x", "a\0b"),
    *("CON", "nul.txt", "com1.csv", "photo\u202egnp.exe", "\u2066x\u2069", "．．／x"),
    *("x\r\nSet-Cookie: y=z", "~/.ssh/id", "-rf", "." * 300),
]


class Trusting(LocalStore, name="trusting"):
    """A store that takes names for paths: the defence is off."""

    def path(self, key: str) -> Path:
        return self.folder / key


@pytest.mark.parametrize("name", NAMES)
def test_a_name_leads_nowhere(app: Flask, name: str) -> None:
    with app.test_request_context():
        file = results.save_file(records.start("f"), b"x", name, "custom", "text/plain")
        path = re.sub("^https?://[^/]*", "", lasting_url(file))
        key = file.file_storage_data
    assert re.fullmatch(r"[0-9]+/0/[0-9a-f]{32}", key)
    with app.test_client().get(path) as answer:
        shown = shown_name(answer)
        assert answer.data == b"x"
        assert "Set-Cookie" not in answer.headers
    assert not is_tricky(shown)


TRICKS = ["../../escaped", "..\\..\\escaped", "nul.txt", "photo\u202egnp.exe", "．．／x"]


@pytest.mark.parametrize("name", TRICKS)
def test_without_safe_names_it_would(
    app: Flask, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Or the test above would show nothing."""
    monkeypatch.setattr(files, "safe_name", lambda name: name)
    with app.test_request_context():
        file = results.save_file(records.start("f"), b"x", name, "custom", "text/plain")
        path = re.sub("^https?://[^/]*", "", lasting_url(file))
    with app.test_client().get(path) as answer:
        assert is_tricky(shown_name(answer))


def is_tricky(name: str) -> bool:
    """Tell whether a name leads elsewhere, is a device, or reads as another."""
    marks = re.search(r"[/\\\uff0f\u202a-\u202e\u2066-\u2069]", name)
    return bool(marks or re.match(r"(con|nul|com1)(\.|$)", name, re.IGNORECASE))


def shown_name(answer: Response) -> str:
    """Give the name under which a browser would keep the file."""
    return unquote(answer.headers["Content-Disposition"].partition("UTF-8''")[2])


@pytest.mark.parametrize("key", ["../escaped", "a/../../escaped", "/{}/escaped"])
def test_a_key_leads_nowhere(tmp_path: Path, key: str) -> None:
    key = key.format(str(tmp_path).lstrip("/"))
    folder = tmp_path / "store"
    (folder / "a").mkdir(parents=True)
    with pytest.raises(StoreError):
        LocalStore.at(folder).write(key, io.BytesIO(b"x"))
    assert not (tmp_path / "escaped").exists()
    Trusting.at(folder).write(key, io.BytesIO(b"x"))
    assert (tmp_path / "escaped").exists()


# -- results that are scripts ------------------------------------------------------------

ACTIVE = {
    "page.html": ("text/html", "<script>alert(1)</script>"),
    "page.xhtml": ("application/xhtml+xml", "<html/>"),
    "picture.svg": ("image/svg+xml", "<svg onload='alert(1)'/>"),
    "data.xml": ("application/xml", "<?xml-stylesheet href='x.xsl'?><a/>"),
    "script.js": ("text/javascript", "alert(1)"),
    "typed.txt": ("text/plain", "<script>alert(1)</script>"),
    "untyped": ("", "<script>alert(1)</script>"),
    "list.png": ("image/png, text/html", "<script>alert(1)</script>"),
    "spaced.png": ("image/svg xml", "<svg onload='alert(1)'/>"),
    "trailing.png": ("image/svg+xml,", "<svg onload='alert(1)'/>"),
    "half.mp4": ("video/;text/html", "<script>alert(1)</script>"),
}
DEFENCES: dict[str, Callable[[Response], bool]] = {
    "sandbox": lambda a: a.headers["Content-Security-Policy"].startswith("sandbox"),
    "nosniff": lambda a: a.headers["X-Content-Type-Options"] == "nosniff",
    "download": lambda a: a.headers["Content-Disposition"].startswith("attachment")
    or a.mimetype == "text/plain",
}


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize("query", ["", "&download=0", "&inline=1"])
def test_no_result_runs_in_our_origin(app: Flask, name: str, query: str) -> None:
    kind, content = ACTIVE[name]
    with app.test_request_context():
        file = results.save_file(records.start("f"), content, name, "custom", kind)
        path = re.sub("^https?://[^/]*", "", lasting_url(file))
    with app.test_client().get(f"{path}{query}") as answer:
        assert {name: holds(answer) for name, holds in DEFENCES.items()} == dict.fromkeys(
            DEFENCES, True
        )
        assert answer.mimetype not in ("text/html", "image/svg+xml") or (
            "attachment" in answer.headers["Content-Disposition"]
        )
        assert "," not in answer.headers["Content-Type"]


def test_the_folder_of_results_is_not_served(app: Flask) -> None:
    with app.test_request_context():
        file = results.save_file(records.start("f"), SECRET, "a", "custom", "text/plain")
        key, tagged = file.file_storage_data, re.sub("^.*?//.*?/", "/", lasting_url(file))
    client = app.test_client()
    for path in (f"/files/{key}", f"/files/{key}/", f"/static/../files/{key}"):
        assert SECRET not in client.get(path).data
    assert client.get(tagged, buffered=True).data == SECRET


# -- archives ----------------------------------------------------------------------------

NO_LIMITS = ArchiveLimits(10**9, 10**15, 10**9)


def zipped(*members: tuple[zipfile.ZipInfo | str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    packed.seek(0)
    return packed


def unpacked(packed: io.BytesIO, limits: ArchiveLimits = DEFAULT_LIMITS) -> int:
    return sum(len(file.read()) for file, _ in get_files_from_zip(packed, "b", limits))


@pytest.mark.parametrize(
    ("packed", "limits"),
    [
        (zipped(("zeros", bytes(2**25))), ArchiveLimits()),
        (zipped(("a", bytes(6000)), ("b", bytes(6000))), ArchiveLimits(10, 10_000)),
        (zipped(*((str(n), b"x") for n in range(20))), ArchiveLimits(10)),
    ],
    ids=["ratio", "bytes", "members"],
)
def test_a_bomb_is_not_unpacked(packed: io.BytesIO, limits: ArchiveLimits) -> None:
    with pytest.raises(ArchiveRefused):
        unpacked(packed, limits)
    packed.seek(0)
    assert unpacked(packed, NO_LIMITS) > 10  # with the limits away it is


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed = zipped((link, b"/etc"), ("link/passwd", b"x"))
    with pytest.raises(ArchiveRefused, match="link"):
        unpacked(packed)
    plain = zipfile.ZipInfo("link")  # the same without the mark of a link
    plain.external_attr = (stat.S_IFREG | 0o666) << 16
    assert unpacked(zipped((plain, b"/etc"))) == 4


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:\\x", "..\\x"])
def test_a_member_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ArchiveRefused, match="leads out"):
        unpacked(zipped((name, b"x")))
    assert unpacked(zipped((re.sub(r"[./\\:]", "_", name), b"x"))) == 1
