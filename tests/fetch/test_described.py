"""File names and media types, from headers and URLs."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from app_runner.fetch import (
    Fetcher,
    FetchPolicy,
    LocalContent,
    get_mimetype,
    parse_content_disposition,
    parse_mimetype,
    retrieve_attribute_metadata_url,
    retrieve_data_type,
    retrieve_filename,
)
from tests.fetch.servers import Exchange, Server, serving

FETCHER = Fetcher(FetchPolicy(allow_private=True))
TOKENS = st.from_regex(r"[A-Za-z0-9!#$&^_.+-]{1,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("header", "filename"),
    [
        ("attachment; filename=out.txt", "out.txt"),
        ('attachment; filename="a b;c.txt"', "a b;c.txt"),
        ('inline;FILENAME="x \\"y\\".txt"', 'x "y".txt'),
        ("attachment; filename=plain.txt; filename*=UTF-8''r%C3%A4te.csv", "räte.csv"),
        ("attachment; filename*=iso-8859-1'de'r%E4te.csv; filename=plain", "räte.csv"),
        ("attachment; filename*=UTF-8''%FF.csv; filename=plain.csv", "plain.csv"),
        ("attachment; filename*=rot13''nop; filename=plain.csv", "plain.csv"),
        ('attachment; filename="rÃ¤te.csv"', "räte.csv"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\folder\\out.txt"', "out.txt"),
        ("attachment; filename*=UTF-8''..%2Fup.txt", "up.txt"),
        ('attachment; filename=".."', None),
        ("attachment", None),
        ("filename=lonely.txt", None),
        ("", None),
        ('attachment; filename="open', "open"),
    ],
)
def test_the_file_name_of_a_content_disposition(
    header: str, filename: str | None
) -> None:
    assert parse_content_disposition(header).filename == filename


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_name_survives_the_extended_form(name: str) -> None:
    header = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    found = parse_content_disposition(header)
    assert found.kind == "attachment"
    if not any(character in name for character in "/\\") and name.strip() not in (
        "",
        ".",
        "..",
    ):
        assert found.filename == name.strip()


@given(st.text())
def test_no_header_gives_a_name_that_leads_elsewhere(header: str) -> None:
    for text in (header, f"attachment; filename={header}", f'a; filename="{header}"'):
        name = parse_content_disposition(text).filename
        assert name is None or (name not in ("", ".", "..") and Path(name).name == name)


@given(TOKENS, TOKENS, st.dictionaries(TOKENS.map(str.lower), TOKENS))
def test_media_types_are_read_with_their_parameters(
    kind: str, part: str, parameters: dict[str, str]
) -> None:
    text = "; ".join([f"{kind}/{part}", *(f'{k}="{v}"' for k, v in parameters.items())])
    found = parse_mimetype(text)
    assert found is not None
    assert found.name == f"{kind}/{part}".lower()
    assert found.parameters == parameters


@pytest.mark.parametrize(
    "text", ["", "text", "text/", "/csv", "a b/c", "text/csv x", ";a=b"]
)
def test_what_is_no_media_type_is_none(text: str) -> None:
    assert parse_mimetype(text) is None


@given(st.text())
def test_any_text_can_be_asked_for_its_media_type(text: str) -> None:
    parse_mimetype(text)


def answer(exchange: Exchange) -> None:
    if exchange.path.startswith("/named"):
        exchange.reply(
            b"a,b",
            Content_Type="text/csv; charset=utf-8",
            Content_Disposition="attachment; filename=table.final.csv",
            X_Data_Type="entity/list",
            X_Attribute_Metadata="/attributes.json",
        )
    else:
        exchange.reply(b"a,b")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with a file that has a name and others that have none."""
    with serving(answer) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/named", "table.final"),
        ("/data/plain.json?x=y.txt", "plain"),
        ("/data/r%C3%A4te.csv", "räte"),
        ("/files/7/?file-id=1", "7"),
        ("/a%2Fb.txt", "b"),
        ("/", ""),
    ],
)
def test_the_file_name_of_a_url_has_no_ending(
    server: Server, path: str, name: str
) -> None:
    assert retrieve_filename(server.url(path=path), FETCHER) == name


def test_the_file_name_of_a_response_closes_it(server: Server) -> None:
    response = FETCHER.open(server.url(path="/named"))
    assert retrieve_filename(response, FETCHER) == "table.final"
    assert response.raw.closed


def test_a_data_url_has_no_file_name() -> None:
    assert retrieve_filename("data:text/plain,a/b.txt", FETCHER) == ""


def test_data_type_and_attributes_come_from_headers(server: Server) -> None:
    named, other = server.url(path="/named"), server.url(path="/other")
    assert retrieve_data_type(named, FETCHER) == "entity/list"
    assert retrieve_attribute_metadata_url(named, FETCHER) == server.url(
        path="/attributes.json"
    )
    assert retrieve_data_type(other, FETCHER) is None
    assert retrieve_attribute_metadata_url(other, FETCHER) is None
    with FETCHER.open(named) as response:
        assert retrieve_data_type(response, FETCHER) == "entity/list"
        assert response.content == b"a,b"


def test_the_media_type_is_the_header_as_sent_or_what_the_url_tells(
    server: Server,
) -> None:
    for path, default, expected in [
        ("/named", None, "text/csv; charset=utf-8"),
        ("/plain.json", None, "application/json"),
        ("/packed.csv.gz", None, "application/gzip"),
        ("/unknown", None, None),
        ("/unknown", "x/y", "x/y"),
    ]:
        with FETCHER.open(server.url(path=path)) as response:
            assert get_mimetype(response, default) == expected


def test_errors_of_a_url_are_raised(server: Server) -> None:
    def gone(url: str) -> LocalContent:
        return LocalContent(BytesIO(), status=404)

    with pytest.raises(requests.HTTPError):
        retrieve_filename(server.url(), Fetcher(FetchPolicy(), gone))


def test_the_policy_follows_the_settings() -> None:
    settings = {
        "EXPOSURE": "local",
        "FETCH_ALLOWED_HOSTS": ("10.0.0.0/8",),
        "FETCH_FILE_ROOTS": ("/srv/data",),
        "FETCH_MAX_BYTES": 4096,
        "FETCH_RETRIES": 5,
        "FETCH_CREDENTIALS": (("https://a", "Bearer b"),),
        "URL_MAP": (("a", "b"),),
    }
    policy = FetchPolicy.of_settings(settings)
    assert policy.allow_private
    assert policy.allowed_hosts == ("10.0.0.0/8",)
    assert policy.file_roots == (Path("/srv/data"),)
    assert policy.max_bytes == 4096
    assert policy.url_map == (("a", "b"),)
    assert policy.retries == 5
    assert policy.credentials == (("https://a", "Bearer b"),)
    assert not FetchPolicy.of_settings({**settings, "EXPOSURE": "private"}).allow_private
