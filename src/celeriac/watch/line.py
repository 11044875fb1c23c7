"""The line to one client. Speaks sockets: whether somebody is still there, and hanging up on who does not listen."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

SILENCE = 30_000  # milliseconds after which what was sent but never acknowledged ends the connection


class Line:
    """Over a connected socket of whatever server; without one nothing is known and nothing done."""

    def __init__(self, sock: Any = None) -> None:
        self._sock = sock
        if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            with contextlib.suppress(OSError):  # no TCP
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE)

    def is_gone(self) -> bool:
        """Whether the client has left. Never waits, whatever has been patched."""
        plain = getattr(self._sock, "_sock", self._sock)  # gevent's own recv would wait
        if plain is None:
            return False
        try:
            return bool(plain.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"")
        except BlockingIOError:
            return False
        except ValueError:  # TLS: cannot be looked into
            return False
        except OSError:
            return True

    def hang_up(self) -> None:
        """End the connection, also for a thread that is sending on it."""
        if self._sock is not None:
            with contextlib.suppress(OSError, ValueError):  # it has ended
                self._sock.shutdown(socket.SHUT_RDWR)
