"""Speaks just enough TCP and HTTP to know that somebody answers."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from celeriac.stack.valkey import HOST

PATIENCE = 2.0


async def http_answers(port: int, path: str) -> bool:
    """Does a web server on this port answer a GET, with whatever status?"""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {HOST}:{port}\r\n\r\n".encode())
                return (await reader.readline()).startswith(b"HTTP/")
            finally:
                writer.close()
    except OSError:  # refused, reset; TimeoutError is one too
        return False


def port_of(url: str) -> tuple[str, int] | None:
    """Return host and port of a plain redis:// URL, None for any other kind (TLS, socket, Sentinel)."""
    parts = urlsplit(url)
    if parts.scheme != "redis":
        return None
    return parts.hostname or "localhost", parts.port or 6379


def place_of(url: str) -> str:
    """Return server and database of a broker URL as people may read it: without user and password."""
    parts = [urlsplit(part) for part in url.split(";")]
    return ", ".join(f"{part.netloc.rpartition('@')[2]}{part.path}" for part in parts)


def listens(host: str, port: int) -> bool:
    """Does somebody accept connections there?"""
    try:
        with socket.create_connection((host, port), timeout=PATIENCE):
            return True
    except OSError:
        return False
