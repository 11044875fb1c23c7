"""Where a request came from: no other site may act in a visitor's name. Pure.

Needed wherever a browser proves who calls on its own: by the session's cookie, and in local development,
where being at this machine is the proof. A bearer token is never sent unasked and needs none of this.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from celeriac.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def check(method: str, headers: Mapping[str, str], site: str, trusted: Collection[str] = ()) -> None:
    """Raise Forbidden when another site's page sends an unsafe request.

    `site` is this site's own origin as the visitor sees it, `https://host:port`; `trusted` are other
    origins that may act. Browsers say where a request comes from by `Sec-Fetch-Site`, older ones by
    `Origin`; a request with neither was not sent by a page.
    """
    if method.upper() in SAFE_METHODS:
        return
    origin, fetched = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if origin is not None and any(same(origin, good) for good in trusted):
        return
    if fetched is not None and fetched not in ("same-origin", "none"):
        raise _refusal()
    if origin is not None and not same(origin, site):
        raise _refusal()


def is_loopback(address: str | None) -> bool:
    """Whether an address or host name (with or without port) is this machine itself, spelled so."""
    if not address:
        return False
    try:
        host = urlsplit(f"//{address}").hostname if not _is_ip(address) else address
    except ValueError:
        return False
    return host == "localhost" or (host is not None and _is_ip(host) and _ip(host).is_loopback)


def _refusal() -> Forbidden:
    return Forbidden(
        "Another site's page may not do this in your name.",
        "Send the request from this site, or with an API token.",
    )


def same(one: str, other: str) -> bool:
    """Whether two origins are one, however they are spelled."""
    try:
        a, b = (
            (part.scheme, part.hostname, part.port or _DEFAULT_PORTS.get(part.scheme))
            for part in (urlsplit(one), urlsplit(other))
        )
    except ValueError:
        return False
    return a == b and a[1] is not None


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(host)
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
