"""Addresses this server may send requests to: few forms, so that nobody reads one differently."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address

MAX_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}

_FORM = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    r"(:(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(/[a-z0-9._~+=:@-]*)*)",
    re.ASCII | re.IGNORECASE,
)
_NUMBERS = re.compile(r"[0-9.]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """An http or https address in its one normal form."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"

    @property
    def origin(self) -> str:
        """Scheme, host and port alone."""
        return f"{self.scheme}://{self.host}:{self.port}"

    def is_under(self, prefixes: Iterable["Address"]) -> bool:
        """Whether a prefix has this very origin and begins the path by whole segments."""
        return any(
            self.origin == prefix.origin
            and (self.path + "/").startswith(prefix.path.removesuffix("/") + "/")
            for prefix in prefixes
        )


def parse_address(text: str) -> Address:
    """The address that a text says.

    What servers and libraries are known to read differently is not one here: user names, queries,
    fragments, percent-encoding, backslashes, semicolons, empty and dot segments, names outside
    ASCII, trailing dots, numbers other than dotted quads.

    Raises: ValueError, whose message does not repeat the text.
    """
    form = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if form is None:
        raise ValueError(
            "expected http(s)://host[:port][/path] in plain ASCII letters, without user name, "
            "query, fragment or percent-encoding"
        )
    scheme = form["scheme"].lower()
    port = int(form["port"] or DEFAULT_PORTS[scheme])
    if port > 65535:
        raise ValueError("expected a port up to 65535")
    segments = form["path"].split("/")[1:]
    if {".", ".."} & set(segments) or "" in segments[:-1]:
        raise ValueError("expected a path without empty, . or .. segments")
    return Address(scheme, _host(form["host"].lower()), port, form["path"])


def is_this_machine(host: str) -> bool:
    """Whether a host leads to this machine alone, whatever a name server says."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(text: str) -> str:
    try:
        if text.startswith("["):
            return f"[{IPv6Address(text[1:-1]).compressed}]"
        if _NUMBERS.fullmatch(text):
            return str(IPv4Address(text))
    except AddressValueError:
        raise ValueError("expected a host name or an IP address") from None
    labels = text.split(".")
    if any(not label or len(label) > 63 for label in labels):
        raise ValueError("expected a host name with labels of 1 to 63 letters")
    # Resolvers read 0x7f000001 and 127.0x1 as addresses; only the dotted quad is one.
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        raise ValueError("expected a host name or an IP address")
    return text
