"""A server for one system in one round: fresh, private, with the product's own settings for everybody."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from celeriac.stack.valkey import Valkey, allocator, find_binary


class Server:
    """`with Server() as server:` gives a server with an empty data folder on a free port; both vanish."""

    def __enter__(self) -> Server:
        self._folder = tempfile.TemporaryDirectory(prefix="celeriac-bench-", ignore_cleanup_errors=True)
        self._valkey = Valkey(self._folder.name, password="bench").start()
        self.url, self.pid = self._valkey.url, self._valkey.pid
        self.folder = self._folder.name
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._valkey.kill()  # nobody reads this data again
        self._folder.cleanup()


def version() -> str:
    """The server's name and version as it says itself."""
    binary = find_binary()
    words = subprocess.check_output([binary, "--version"], text=True).split()
    number = next(word.removeprefix("v=") for word in words if word.startswith("v="))
    kind = "jemalloc" if "LD_PRELOAD" in allocator(binary) else "the C library's malloc"
    return f"{Path(binary).name} {number}, {kind}"
