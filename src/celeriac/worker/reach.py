"""Speaks HTTP to strangers: posts to an address that somebody else chose, and to nothing inside.

1. The name is resolved once; every address it has must be public, or be allowed by the setting.
2. The connection goes to the checked address itself, so a name that resolves otherwise the next time changes nothing;
   TLS still proves the name.
3. No redirect is followed, no proxy used, no cookie kept. The answer's status and headers are read, its body is not.
4. The whole call ends within its time, however slowly the other side, or its name server, talks.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from celeriac.errors import CeleriacError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

URL_LIMIT = 2048
PORTS = {"https": 443, "http": 80}
NAT64 = ipaddress.ip_network("64:ff9b::/96")
FAMILIES = (socket.AF_INET, socket.AF_INET6)


class ForbiddenAddress(CeleriacError):
    """This address must not be called."""

    status = 422
    title = "Forbidden address"


class Unreachable(CeleriacError):
    """It could not be called, or did not answer in time; another time it may."""

    title = "Unreachable"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `retry_after` in seconds."""

    status: int
    retry_after: float | None


class Allowed:
    """Which inner addresses may be called after all: names, addresses and networks, separated by spaces."""

    def __init__(self, text: str = "") -> None:
        self.names: set[str] = set()
        self.networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for word in text.split():
            try:
                self.networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                self.names.add(word.lower().rstrip("."))

    def permits(self, host: str, address: Address) -> bool:
        """May this inner address be called under this name?"""
        return host in self.names or any(address in network for network in self.networks)

    def knows(self, host: str) -> bool:
        """Is this name or literal address allowed by itself?"""
        literal = _literal(host)
        return host in self.names or (literal is not None and self.permits(host, literal))


def check(url: str, allowed: Allowed) -> SplitResult:
    """Return the parts of a URL that may be called, as far as its text tells. Raises ForbiddenAddress."""
    if len(url) > URL_LIMIT or any(c <= " " or c == "\\" or ord(c) > 126 for c in url):
        raise ForbiddenAddress("The URL is too long, or has characters that no URL has.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenAddress("This is no URL.", "As in https://example.com/hook.") from error
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in PORTS or not host or port == 0:
        raise ForbiddenAddress("This is no https URL.", "As in https://example.com/hook.")
    if parts.username is not None or parts.password is not None:
        raise ForbiddenAddress("A URL with a name or password in it is not called.", "The signature tells who calls.")
    literal = _literal(host)
    if literal is not None and not (is_public(literal) or allowed.permits(host, literal)):
        raise ForbiddenAddress(f"{host} is an inner address.", "CELERIAC_WEBHOOK_ALLOW names those that may be called.")
    if (host == "localhost" or host.endswith(".localhost")) and not allowed.knows(host):
        raise ForbiddenAddress(f"{host} is this machine.", "CELERIAC_WEBHOOK_ALLOW names those that may be called.")
    if parts.scheme == "http" and not allowed.knows(host):
        raise ForbiddenAddress("Only https is called.", "Use https; CELERIAC_WEBHOOK_ALLOW may name exceptions.")
    return parts


def post(url: str, body: bytes, headers: dict[str, str], allowed: Allowed, seconds: float = 15.0) -> Reply:
    """Post a body and return what the answer's head says. Raises ForbiddenAddress, Unreachable."""
    parts = check(url, allowed)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or PORTS[parts.scheme]
    until = time.monotonic() + seconds
    address = _resolve(host, port, allowed, seconds)
    left = max(0.1, until - time.monotonic())
    connection = _Pinned(host, port, address, parts.scheme == "https", left)
    watch = threading.Timer(left, connection.cut)
    watch.daemon = True
    watch.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        if connection.was_cut:
            raise TimeoutError
        return Reply(answer.status, _seconds(answer.getheader("Retry-After")))
    except (OSError, http.client.HTTPException, ValueError) as error:
        what = "It did not answer in time" if isinstance(error, TimeoutError) or connection.was_cut else str(error)
        raise Unreachable(f"{host} could not be called: {what or type(error).__name__}."[:300]) from error
    finally:
        watch.cancel()
        connection.close()


def is_public(address: Address) -> bool:
    """Is it an address of the open internet, also when it wraps another one (IPv4 in IPv6, NAT64, 6to4, Teredo)?"""
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(is_public(one) for one in inner if one is not None):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _resolve(host: str, port: int, allowed: Allowed, seconds: float) -> str:
    """Return an address that may be called; all that the name has must be such."""
    found = _ask_resolver(host, port, seconds)
    if isinstance(found, Exception):
        raise Unreachable(f"{host} has no address: {found}.") from found
    texts = [str(where[0]).partition("%")[0] for family, _, _, _, where in found if family in FAMILIES]
    _refuse_inner(host, texts, allowed)
    if not texts:
        raise Unreachable(f"{host} has no address.")
    return texts[0]


def _ask_resolver(host: str, port: int, seconds: float) -> list[Any] | Exception:
    """Return what the resolver says. It knows no deadline, so it is asked on a thread that may be left to it."""
    said: list[list[Any] | Exception] = [TimeoutError("the name server does not answer")]

    def ask() -> None:
        try:
            said.append(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            said.append(error)

    thread = threading.Thread(target=ask, name="celeriac-resolver", daemon=True)
    thread.start()
    thread.join(seconds)
    return said[-1]


def _refuse_inner(host: str, texts: Iterable[str], allowed: Allowed) -> None:
    for text in texts:
        address = ipaddress.ip_address(text)
        if not (is_public(address) or allowed.permits(host, address)):
            raise ForbiddenAddress(
                f"{host} leads to an inner address.", "CELERIAC_WEBHOOK_ALLOW names what may be called."
            )


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, under a name."""

    def __init__(self, host: str, port: int, address: str, secure: bool, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self.default_port = PORTS["https" if secure else "http"]  # so that the Host header names others alone
        self.address, self.secure, self.was_cut = address, secure, False

    def connect(self) -> None:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect((self.address, self.port))
        if self.secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """End the call at once, from another thread."""
        self.was_cut = True
        sock = self.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                sock.close()  # it was not connected yet, or not any more


def _literal(host: str) -> Address | None:
    """Return the address that a host is, also in the short and odd forms that resolvers take (127.1, 0x7f000001)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _seconds(text: str | None) -> float | None:
    """Read Retry-After: seconds, or a date."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
