"""Lines of GIT_PLUGINS: every form that pip knows is read, and no password gets out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_runner.errors import SourceError
from app_runner.plugins.sources import GitSource, check_allowed, hidden, parse_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LINES = {
    "git+https://h.org/a/b.git": ("https://h.org/a/b.git", "h.org", "", ""),
    "git+https://h.org/a/b@v1": ("https://h.org/a/b", "h.org", "v1", ""),
    "git+https://h.org:8443/b@fix/x": ("https://h.org:8443/b", "h.org", "fix/x", ""),
    f"git+http://H.org/b@{COMMIT}": ("http://H.org/b", "h.org", COMMIT, ""),
    "git+https://[fd00::1]/b@v": ("https://[fd00::1]/b", "[fd00::1]", "v", ""),
    "git+ssh://git@h.org/b.git@v1": ("ssh://git@h.org/b.git", "h.org", "v1", ""),
    "git+ssh://h.org:22/b": ("ssh://h.org:22/b", "h.org", "", ""),
    "git+git://h.org/b.git@v1": ("git://h.org/b.git", "h.org", "v1", ""),
    "git+git@h.org:a/b.git@v1": ("git@h.org:a/b.git", "h.org", "v1", ""),
    "git+h.org:/srv/b.git": ("h.org:/srv/b.git", "h.org", "", ""),
    "git+file:///srv/b.git@v1": ("file:///srv/b.git", "localhost", "v1", ""),
    "git+file://localhost/srv/b": ("file:///srv/b", "localhost", "", ""),
    "git+https://h.org/b@v#subdirectory=x/y": ("https://h.org/b", "h.org", "v", "x/y"),
    "git+https://h.org/b#egg=b&subdirectory=x": ("https://h.org/b", "h.org", "", "x"),
    "name @ git+https://h.org/b@refs/pull/1/head": (
        "https://h.org/b",
        "h.org",
        "refs/pull/1/head",
        "",
    ),
}
WRONG = [
    "",
    "https://h.org/b",
    "hg+https://h.org/b",
    "git+",
    "git+https://",
    "git+https://h.org",
    "git+https://h.org/",
    "git+https://h.org/b@",
    "git+https://h.org/b@-x",
    "git+https://h.org/b@a..b",
    "git+https://h.org/b@a b",
    "git+https://-oProxyCommand=x/b",
    "git+https://h.org:port/b",
    "git+ssh://-oProxyCommand=x@h.org/b",
    "git+ssh://git@h.org:a/b",
    "git+-x@h.org:b",
    "git+h.org",
    "git+ext::sh -c date",
    "git+ext://sh/b",
    "git+file://h.org/b",
    "git+/srv/b",
    "git+https://h.org/b#subdirectory=../x",
    "git+https://h.org/b#subdirectory=/x",
    "git+https://h.org/b#subdirectory=.git/hooks",
    "git+https://h.org/b#subdir=x",
    "git+https://h.org/b\x1b[2J",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read(line: str) -> None:
    source = parse_source(line)
    found = (source.url, source.host, source.ref, source.subdirectory)
    assert found == LINES[line]


@pytest.mark.parametrize("line", WRONG)
def test_a_line_that_is_none_is_refused_with_a_reason(line: str) -> None:
    with pytest.raises(SourceError, match="of GIT_PLUGINS cannot be read: "):
        parse_source(line)


NAME = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
PATH = st.lists(NAME, min_size=1, max_size=3).map("/".join)
REF = PATH.filter(lambda ref: ".." not in ref)
SECRET = st.from_regex(r"[A-Za-z0-9]{12,16}", fullmatch=True)


@given(
    scheme=st.sampled_from(["https", "http"]),
    login=st.none() | st.tuples(NAME, SECRET),
    host=NAME,
    path=PATH,
    ref=st.just("") | REF,
    subdirectory=st.just("") | PATH.filter(lambda path: not set(path) <= {"."}),
)
def test_what_was_put_together_is_read_apart(
    scheme: str,
    login: tuple[str, str] | None,
    host: str,
    path: str,
    ref: str,
    subdirectory: str,
) -> None:
    if {"..", ".git", "."} & set(subdirectory.split("/")):
        subdirectory = ""
    user = f"{login[0]}:{login[1]}@" if login else ""
    url = f"{scheme}://{host}/{path}"
    line = f"git+{scheme}://{user}{host}/{path}" + (f"@{ref}" if ref else "")
    line += f"#subdirectory={subdirectory}" if subdirectory else ""
    source = parse_source(line)
    assert source == GitSource(url, host.lower(), ref, subdirectory, login)
    if login:
        assert login[1] not in f"{source} {source!r} {source.key} {source.slug}"


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    for line in (text, f"git+{text}", f"git+https://{text}", f"git+https://h/b#{text}"):
        try:
            source = parse_source(line)
        except SourceError:
            continue
        assert not set(source.slug) & set("/\\. ")
        assert not source.url.startswith("-")


@given(secret=SECRET, rest=st.text("ab:/@#? ", max_size=10))
def test_a_line_that_is_not_understood_shows_no_password(secret: str, rest: str) -> None:
    for start in ("git+https://u:", "git+https://", "git+u:", "https://u:"):
        assert secret not in hidden(f"{start}{secret}@h.org{rest}")
    with pytest.raises(SourceError) as error:
        parse_source(f"git+https://u:{secret}@h.org/b#wrong=1")
    assert secret not in str(error.value)


def test_sources_of_one_repository_and_ref_share_a_checkout_and_others_do_not() -> None:
    lines = ["git+https://h/b@v", "git+https://u:p@h/b@v", "git+https://h/b@v#egg=x"]
    lines += ["git+https://h/b@v#subdirectory=x"]
    assert len({parse_source(line).slug for line in lines}) == 1
    others = ["git+https://h/b@w", "git+https://h/b", "git+https://i/b@v", lines[0]]
    assert len({parse_source(line).slug for line in others}) == 4


def test_hosts_outside_the_allowlist_are_refused() -> None:
    source = parse_source("git+https://git.example.org/b")
    for allowed in (
        (),
        ("*",),
        ("git.example.org",),
        (".example.org",),
        ("GIT.example.org",),
    ):
        check_allowed(source, allowed)
    for allowed in (
        ("example.org",),
        (".git.example.org",),
        ("git.example.org.evil.org",),
    ):
        with pytest.raises(SourceError, match=r"git\.example\.org is not in GIT_ALLOWED"):
            check_allowed(source, allowed)
    with pytest.raises(SourceError, match="localhost"):
        check_allowed(parse_source("git+file:///srv/b"), ("example.org",))
    check_allowed(parse_source("git+file:///srv/b"), ("localhost",))
