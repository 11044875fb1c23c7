"""Speaks kombu's poller: delivers what was fetched ahead, and can be woken by an acknowledgement."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

from kombu.transport import redis as kombu_redis


class Poller(kombu_redis.MultiChannelPoller):
    """The poller of one connection. In an event loop the loop polls; without one, `get` does."""

    def __init__(self) -> None:
        super().__init__()
        self.in_loop = False
        self._bell: tuple[int, int] | None = None
        self._rung = False
        self._loop: Any = None
        self._thread = 0

    def join(self, loop: Any) -> None:
        """Work inside kombu's event loop from now on."""
        self.in_loop, self._loop, self._thread = True, loop, threading.get_ident()
        bell = self._hang_bell()
        loop.add_reader(bell, self._silence, bell)

    @property
    def in_loop_thread(self) -> bool:
        """Whether this is asked on the thread of the event loop."""
        return self.in_loop and threading.get_ident() == self._thread

    @property
    def fds(self) -> dict[int, Any]:
        """The sockets that kombu's loop does not know yet; it would register each anew on every turn."""
        known = self._loop.readers if self._loop is not None else ()
        return {fd: channel for fd, channel in self._fd_to_chan.items() if fd not in known}

    def on_poll_init(self, poller: Any) -> None:
        self.poller = poller

    def on_poll_start(self) -> None:
        """Hand over what is in stock, then ask for more; called on every turn of the event loop."""
        delivered = [channel.deliver() for channel in list(self._channels)]
        for channel in self._channels:
            if channel.active_queues and channel.wants():
                self._register_BRPOP(channel)
            if channel.active_fanout_queues:
                self._register_LISTEN(channel)
        if self.in_loop and any(delivered):
            self.wake()  # the pool may have looked for work earlier in this very turn

    def on_readable(self, fileno: int) -> None:
        """Read a reply, though no slot may be free: kombu's channel would lose what it brings, ours has its stock."""
        channel, kind = self._fd_to_chan.get(fileno, (None, ""))
        if kind == "BRPOP" and channel._in_poll:
            channel.handlers[kind]()
        else:
            super().on_readable(fileno)

    def get(self, callback: Any, timeout: float | None = None) -> None:
        """Deliver one message, or wait for one. Raises queue.Empty after `timeout` seconds."""
        for channel in list(self._channels):
            if channel.deliver(1):
                return
        if self._bell is None:
            self.poller.register(self._hang_bell(), self.eventflags)
        super().get(callback, timeout)

    def handle_event(self, fileno: int, event: int) -> Any:
        if self._bell is not None and fileno == self._bell[0]:
            return self._silence(fileno)
        return super().handle_event(fileno, event)

    def wake(self) -> None:
        """End the present wait, from any thread or greenlet: a slot is free, or there is news."""
        if self._bell is not None and not self._rung:
            self._rung = True
            with contextlib.suppress(BlockingIOError):
                os.write(self._bell[1], b".")

    def come_back(self, seconds: float) -> bool:
        """Let the event loop look again after this time; without a loop, return False."""
        if not self.in_loop:
            return False
        self._loop.call_later(seconds, self.wake)
        return True

    def maybe_restore_messages(self) -> None:
        """Nothing to do: the table's thread and every fetch reclaim what others lost."""

    def close(self) -> None:
        super().close()
        bell, self._bell = self._bell, None
        if bell is not None:
            with contextlib.suppress(KeyError, ValueError, OSError):
                self.poller.unregister(bell[0])
            os.close(bell[0])
            os.close(bell[1])

    def _hang_bell(self) -> int:
        if self._bell is None:
            self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        return self._bell[0]

    def _silence(self, fileno: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(fileno, 64)
        self._rung = False  # last: whoever found the bell rung until now has news that this very turn sees
