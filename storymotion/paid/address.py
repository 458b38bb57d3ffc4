"""Where requests go: the provider's own hosts, or this machine with a key for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..errors import KeyUnusable
from ..report import line
from .key import TEST_PREFIX, Secret
from .provider import Provider


@dataclass(frozen=True)
class Address:
    """``base``: routes are appended to it, it ends without a slash; ``origin``: scheme, host and port of it."""

    base: str
    origin: str
    is_loopback: bool


def find_address(provider: Provider, key: Secret, environ: Mapping[str, str]) -> Address:
    """The address that the environment names, or the provider's first one.

    Official hosts over https take no key for tests; loopback takes nothing else. Any other address is refused, and
    so is one with a user, a query or characters that programs read differently. Raises KeyUnusable.
    """
    named = environ.get(provider.address_variable, "").strip() or provider.addresses[0]
    address = _official(provider, named) or _loopback(provider, named)
    if address is None:
        hosts = ", ".join(provider.addresses)
        raise KeyUnusable(
            provider.name, (line("address-refused", variable=provider.address_variable, addresses=hosts),)
        )
    if address.is_loopback and not key.is_for_tests:
        raise KeyUnusable(provider.name, (line("address-needs-test-key", origin=address.origin, prefix=TEST_PREFIX),))
    if not address.is_loopback and key.is_for_tests:
        raise KeyUnusable(provider.name, (line("address-refuses-test-key", origin=address.origin, prefix=TEST_PREFIX),))
    return address


def _official(provider: Provider, named: str) -> Address | None:
    """One of the official addresses, with or without the last slash and the path."""
    for official in provider.addresses:
        parts = urlsplit(official)
        origin = f"{parts.scheme}://{parts.netloc}"
        if named.lower().rstrip("/") in (official, origin):
            return Address(official, origin, is_loopback=False)
    return None


def _loopback(provider: Provider, named: str) -> Address | None:
    if not named.isascii() or not named.isprintable() or any(character in named for character in " \\@?#%"):
        return None
    try:
        parts = urlsplit(named)
        host, port = parts.hostname or "", parts.port
        if parts.scheme not in ("http", "https") or not (host == "localhost" or ip_address(host).is_loopback):
            return None
    except ValueError:
        return None
    shown = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{shown}" + ("" if port is None else f":{port}")
    path = parts.path.rstrip("/") or urlsplit(provider.addresses[0]).path
    return Address(f"{origin}{path}", origin, is_loopback=True)
