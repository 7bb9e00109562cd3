"""Which internet addresses a URL may lead to; knows neither sockets nor HTTP.

Sources: the IANA special-purpose address registries (RFC 6890 and its updates), RFC 6052
and RFC 8215 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP), and the
documentation of the cloud providers for their metadata services.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from app_runner.babel import gettext as _
from app_runner.babel import lazy_gettext
from app_runner.fetch.refusals import MalformedUrl

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressKind(Enum):
    """What an address is for."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SHARED = "shared"
    LINK_LOCAL = "link-local"
    UNSPECIFIED = "unspecified"
    MULTICAST = "multicast"
    RESERVED = "reserved"
    METADATA = "metadata"


#: The kinds as users read them.
KIND_WORDS = {
    AddressKind.LOOPBACK: lazy_gettext("loopback"),
    AddressKind.PRIVATE: lazy_gettext("private"),
    AddressKind.SHARED: lazy_gettext("shared private"),
    AddressKind.LINK_LOCAL: lazy_gettext("link-local"),
    AddressKind.UNSPECIFIED: lazy_gettext("unspecified"),
    AddressKind.MULTICAST: lazy_gettext("multicast"),
    AddressKind.RESERVED: lazy_gettext("reserved"),
    AddressKind.METADATA: lazy_gettext("cloud metadata"),
}

#: What a runner for one person on one machine may fetch.
NEAR = frozenset(
    {
        AddressKind.LOOPBACK,
        AddressKind.PRIVATE,
        AddressKind.SHARED,
        AddressKind.LINK_LOCAL,
        AddressKind.UNSPECIFIED,  # means this machine, too, when it is connected to
    }
)

#: What each kind has; the first network that an address lies in decides.
REGISTRY: tuple[tuple[AddressKind, str], ...] = (
    # AWS, Azure, Google and others; tasks and pods of AWS; Alibaba; Azure; Oracle
    (
        AddressKind.METADATA,
        "169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200",
    ),
    (AddressKind.METADATA, "168.63.129.16 192.0.0.192"),
    (AddressKind.METADATA, "fd00:ec2::254 fd00:ec2::23 fd20:ce::254"),
    (AddressKind.UNSPECIFIED, "0.0.0.0 ::"),
    (AddressKind.LOOPBACK, "127.0.0.0/8 ::1"),
    (AddressKind.PRIVATE, "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15"),
    (AddressKind.PRIVATE, "fc00::/7 fec0::/10 64:ff9b:1::/48"),
    (AddressKind.SHARED, "100.64.0.0/10"),
    (AddressKind.LINK_LOCAL, "169.254.0.0/16 fe80::/10"),
    (AddressKind.MULTICAST, "224.0.0.0/4 ff00::/8"),
    (AddressKind.RESERVED, "0.0.0.0/8 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24"),
    (AddressKind.RESERVED, "198.51.100.0/24 203.0.113.0/24 240.0.0.0/4"),
    (AddressKind.RESERVED, "2001::/23 2001:db8::/32 3fff::/20"),
    # Outside 2000::/3 nothing is given out; the other two hold an IPv4 address, which
    # is looked at on its own.
    (AddressKind.PUBLIC, "0.0.0.0/0 2000::/3 64:ff9b::/96 ::ffff:0:0/96"),
    (AddressKind.RESERVED, "::/0"),
)
KINDS: tuple[tuple[Network, AddressKind], ...] = tuple(
    (ip_network(network), kind)
    for kind, networks in REGISTRY
    for network in networks.split()
)

#: (network, how far the embedded IPv4 address must be shifted right to be the last bits);
#: IPv4-compatible addresses (::/96) are refused as a whole.
EMBEDDINGS: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated (SIIT)
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("64:ff9b:1::/48"), 0),  # NAT64 for local use
    (IPv6Network("2002::/16"), 80),  # 6to4
    (IPv6Network("2001::/32"), 64),  # Teredo: the server
)
TEREDO = IPv6Network("2001::/32")
ISATAP = (0x00005EFE, 0x02005EFE)
LAST_32_BITS = 0xFFFF_FFFF

#: A last label that `inet_aton` or a browser reads as a number (URL Standard, 4.4).
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII | re.IGNORECASE)


def kind_of(address: Address) -> AddressKind:
    """Tell what ``address`` itself is for; addresses inside it are not looked at."""
    plain = _without_zone(address)
    return next(kind for network, kind in KINDS if plain in network)


def embedded_in(address: Address) -> Iterator[IPv4Address]:
    """Give each IPv4 address that a packet for ``address`` could end up at."""
    if isinstance(address, IPv4Address):
        return
    bits = int(address)
    plain = _without_zone(address)
    for network, shift in EMBEDDINGS:
        if plain in network:
            yield IPv4Address(bits >> shift & LAST_32_BITS)
    if plain in TEREDO:
        yield IPv4Address(~bits & LAST_32_BITS)
    if bits >> 32 & LAST_32_BITS in ISATAP:
        yield IPv4Address(bits & LAST_32_BITS)


def _without_zone(address: Address) -> Address:
    return address if isinstance(address, IPv4Address) else IPv6Address(int(address))


def checked_host(host: str) -> str:
    """Give ``host`` in lower case, without brackets and final dot.

    Raises `MalformedUrl` for numbers that are no plain address (``2130706433``,
    ``0x7f.1``, ``0177.0.0.1``): programs differ in what they take them for.
    """
    plain = host.strip("[]").rstrip(".").lower()
    last = plain.rpartition(".")[2]
    if not plain:
        raise MalformedUrl(_("The URL has no host."))
    if ":" in plain or NUMERIC_LABEL.fullmatch(last):
        try:
            ip_address(plain)
        except ValueError:
            raise MalformedUrl(
                _("%(host)s is no host: an address is written like 192.0.2.1.", host=host)
            ) from None
    return plain


class AddressRules:
    """Decides about addresses: public ones pass, others when a setting allows them."""

    def __init__(self, allow_private: bool, allowed_hosts: Iterable[str]) -> None:
        """Take names, addresses and networks (``10.1.0.0/16``) in ``allowed_hosts``.

        Raises ValueError for a network that is none.
        """
        self.allow_private = allow_private
        self._names: set[str] = set()
        self._networks: list[Network] = []
        for entry in allowed_hosts:
            self._allow(entry.strip().strip("[]").rstrip(".").lower())

    def _allow(self, entry: str) -> None:
        try:
            self._networks.append(ip_network(entry, strict=False))
        except ValueError:
            if "/" in entry:
                raise
            self._names.add(entry)

    def refused_kind(self, host: str, address: Address) -> AddressKind | None:
        """Say what forbids to connect to ``address``; None when nothing does.

        A metadata service passes only when its very address is listed.
        """
        for each in (address, *embedded_in(address)):
            kind = kind_of(each)
            if kind is not AddressKind.PUBLIC and not self._allowed(host, each, kind):
                return kind
        return None

    def _allowed(self, host: str, address: Address, kind: AddressKind) -> bool:
        plain = _without_zone(address)
        listed = [network for network in self._networks if plain in network]
        if kind is AddressKind.METADATA:
            return any(network.num_addresses == 1 for network in listed)
        if listed or host in self._names:
            return True
        return self.allow_private and kind in NEAR
