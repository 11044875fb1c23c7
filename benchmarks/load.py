"""Sends one request over and over, by several connections that stay open, and says how that went as JSON.

    python -m benchmarks.load PORT CONNECTIONS SECONDS < request      (the request as bytes of HTTP/1.1)

One process, one loop, no parsing beyond status and length: it costs a small part of what any of the servers does.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from array import array
from collections import Counter

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Visitor:
    """One connection: a request is sent when the answer to the one before is whole."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request, self.port, self.got, self.since = request, port, b"", 0.0

    def ask(self) -> None:
        """Send the request."""
        self.got, self.since = b"", time.perf_counter()
        self.socket.sendall(self.request)

    def hear(self) -> int:
        """Read what came; return the status when the answer is whole, else 0. Raises ConnectionError at its end."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("the server closed the connection")
        self.got += part
        head = self.got.find(b"\r\n\r\n")
        if head < 0:
            return 0
        length = _LENGTH.search(self.got, 0, head + 2)
        if length is None:
            raise ConnectionError("an answer without its length")
        return int(self.got[9:12]) if len(self.got) >= head + 4 + int(length[1]) else 0


def main(port: int, connections: int, seconds: float) -> None:
    """Ask until the time is over; what is on its way then is waited for and counted."""
    request = sys.stdin.buffer.read()
    poll, times, statuses = selectors.DefaultSelector(), array("d"), Counter[int]()
    for visitor in [Visitor(port, request) for _ in range(connections)]:
        poll.register(visitor.socket, selectors.EVENT_READ, visitor)
        visitor.ask()
    began, open_ones = time.perf_counter(), connections
    until = began + seconds
    while open_ones:
        for key, _ in poll.select(10):
            status = key.data.hear()
            if not status:
                continue
            now = time.perf_counter()
            times.append(now - key.data.since)
            statuses[status] += 1
            if now < until:
                key.data.ask()
            else:
                poll.unregister(key.fileobj)
                open_ones -= 1
    took, ordered = time.perf_counter() - began, sorted(times)
    p50, p99 = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
    print(json.dumps({"n": len(ordered), "seconds": took, "statuses": statuses, "p50": p50, "p99": p99,
                      "cpu": time.process_time() / took}))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
