"""Which addresses pass: registries, addresses inside addresses, what settings open."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_runner.fetch import AddressKind, AddressRules, MalformedUrl, kind_of
from app_runner.fetch.addresses import checked_host, embedded_in

GUARDED = AddressRules(allow_private=False, allowed_hosts=())
NEAR = AddressRules(allow_private=True, allowed_hosts=())

KINDS = {
    AddressKind.PUBLIC: "8.8.8.8 1.1.1.1 172.15.255.255 172.32.0.1 100.63.255.255 "
    "100.128.0.0 169.253.1.1 2606:4700::1111 2a00::1 64:ff9b::808:808",
    AddressKind.LOOPBACK: "127.0.0.1 127.255.255.254 ::1",
    AddressKind.PRIVATE: "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 198.19.0.1 "
    "fc00::1 fdff::1 fec0::1 64:ff9b:1::1",
    AddressKind.SHARED: "100.64.0.1 100.127.255.255",
    AddressKind.LINK_LOCAL: "169.254.0.1 fe80::1 febf::1 fe80::1%1",
    AddressKind.UNSPECIFIED: "0.0.0.0 ::",
    AddressKind.MULTICAST: "224.0.0.1 239.255.255.255 ff02::1",
    AddressKind.RESERVED: "0.1.2.3 192.0.0.8 192.0.2.1 192.88.99.1 198.51.100.1 "
    "203.0.113.9 240.0.0.1 255.255.255.255 ::2 100::1 2001:db8::1 2001::1 4000::1",
    AddressKind.METADATA: "169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 "
    "192.0.0.192 fd00:ec2::254 fd20:ce::254",
}


@pytest.mark.parametrize(
    ("kind", "text"),
    [(kind, text) for kind, all_ in KINDS.items() for text in all_.split()],
)
def test_each_address_has_the_kind_of_its_registry(kind: AddressKind, text: str) -> None:
    assert kind_of(ip_address(text)) is kind


@pytest.mark.parametrize(
    "text",
    [
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::127.0.0.1",
        "2002:7f00:1::",
        "2002:7f00:1::5",
        "2001:0:7f00:1::",
        "2001:0:808:808:0:0:80ff:fffe",  # Teredo keeps the client's address inverted
        "2a00::5efe:7f00:1",
        "2a00::200:5efe:7f00:1",
        "64:ff9b::10.0.0.1",
        "::ffff:100.64.0.1",
    ],
)
def test_an_address_inside_an_address_is_found(text: str) -> None:
    assert GUARDED.refused_kind("x.test", ip_address(text)) is not None


@pytest.mark.parametrize(
    "text", ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]
)
def test_a_public_address_inside_an_address_passes(text: str) -> None:
    assert GUARDED.refused_kind("x.test", ip_address(text)) is None


@given(st.ip_addresses())
def test_nothing_passes_that_the_standard_library_calls_private(
    address: IPv4Address | IPv6Address,
) -> None:
    if GUARDED.refused_kind("x.test", address) is None:
        assert address.is_global or address in IPv6Network("2002::/16")
        assert all(inner.is_global for inner in embedded_in(address))
        assert not address.is_multicast


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "64:ff9b::", "2002::", "::"]))
def test_wrapping_an_address_never_opens_it(inner: IPv4Address, prefix: str) -> None:
    shift = 80 if prefix == "2002::" else 0
    wrapped = IPv6Address(int(IPv6Address(prefix)) | int(inner) << shift)
    if GUARDED.refused_kind("x.test", inner) is not None:
        assert GUARDED.refused_kind("x.test", wrapped) is not None


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "10.1.1.1", "fe80::1", "100.64.0.1", "0.0.0.0"]
)
def test_local_exposure_opens_what_is_near(text: str) -> None:
    assert NEAR.refused_kind("x.test", ip_address(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "fd00:ec2::254",
        "64:ff9b:1::a9fe:a9fe",
        "224.0.0.1",
        "240.0.0.1",
    ],
)
def test_local_exposure_opens_neither_metadata_nor_multicast_nor_reserved(
    text: str,
) -> None:
    assert NEAR.refused_kind("x.test", ip_address(text)) is not None


def test_a_listed_address_network_or_name_passes_and_its_neighbour_does_not() -> None:
    rules = AddressRules(
        False, ["10.1.0.0/16", "192.168.0.7", "[fd00::7]", "Files.Corp."]
    )
    for host, text in [
        ("x.test", "10.1.2.3"),
        ("x.test", "192.168.0.7"),
        ("x.test", "fd00::7"),
        ("x.test", "64:ff9b::10.1.2.3"),
        ("files.corp", "172.16.0.1"),
    ]:
        assert rules.refused_kind(host, ip_address(text)) is None
    for host, text in [
        ("x.test", "10.2.0.1"),
        ("x.test", "192.168.0.8"),
        ("other.corp", "172.16.0.1"),
        ("evil.files.corp", "172.16.0.1"),
    ]:
        assert rules.refused_kind(host, ip_address(text)) is not None


@pytest.mark.parametrize(
    ("allowed", "passes"),
    [
        ("169.254.169.254", True),
        ("169.254.169.254/32", True),
        ("169.254.0.0/16", False),
        ("metadata.test", False),
    ],
)
def test_metadata_passes_only_when_its_very_address_is_listed(
    allowed: str, passes: bool
) -> None:
    rules = AddressRules(True, [allowed])
    kind = rules.refused_kind("metadata.test", ip_address("169.254.169.254"))
    assert (kind is None) is passes


def test_a_network_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="999"):
        AddressRules(False, ["10.0.0.0/999"])


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "1.2.3.4.5",
        "1.0x",
        "[::g]",
    ],
)
def test_numbers_that_are_no_plain_address_are_refused(host: str) -> None:
    with pytest.raises(MalformedUrl):
        checked_host(host)


@given(st.ip_addresses(v=4), st.sampled_from(["{:d}", "0x{:x}", "0{:o}", "{:#x}."]))
def test_no_other_spelling_of_an_address_is_taken(
    address: IPv4Address, form: str
) -> None:
    with pytest.raises(MalformedUrl):
        checked_host(form.format(int(address)))


@given(st.ip_addresses())
def test_plain_addresses_are_taken(address: IPv4Address | IPv6Address) -> None:
    bracketed = f"[{address}]" if address.version == 6 else str(address)
    assert ip_address(checked_host(bracketed)) == address


@pytest.mark.parametrize("host", ["", ".", "[]"])
def test_a_url_needs_a_host(host: str) -> None:
    with pytest.raises(MalformedUrl):
        checked_host(host)
