"""Speaks TCP: a link to a server that can be cut, silenced, or held right after the server did what it was asked."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from dataclasses import dataclass, field


@dataclass(eq=False)
class Link:
    """One client's two sockets; a silent one passes nothing and is not closed."""

    client: socket.socket
    server: socket.socket
    silent: bool = False


@dataclass
class Proxy:
    """Forwards connections to `port` on this machine, from `Proxy.port`, on a thread of its own.

    `hold` is a piece of a server's reply: the link that would carry it falls silent just before, for good.
    """

    target: int
    hold: bytes = b""
    held: threading.Event = field(default_factory=threading.Event)
    _links: dict[socket.socket, Link] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def silence(self) -> None:
        """Let every present connection hang without an end; new ones work."""
        for link in list(self._links.values()):
            link.silent = True

    def cut(self) -> None:
        """Close every present connection."""
        for link in list(self._links.values()):
            for end in (link.client, link.server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closing.set()
        self._thread.join(10)
        for end in [*self._links, self._listener]:
            end.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(0.05):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                if source is self._listener:
                    self._accept()
                else:
                    self._forward(source)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        link = Link(client, server)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._links[end] = link
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        link = self._links.get(source)
        if link is None:  # closed with its other end, in this very round
            return
        try:
            data = source.recv(1 << 20)
            if source is link.server and self.hold and self.hold in data:
                link.silent = True
                self.held.set()
            if data and link.silent:
                return
            if data:
                (link.server if source is link.client else link.client).sendall(data)
                return
        except OSError:
            pass
        for end in (link.client, link.server):
            self._selector.unregister(end)
            del self._links[end]
            end.close()
