"""Speaks kombu's QoS: what a consumer has in hand. The truth about deliveries is the process's table."""

from __future__ import annotations

from typing import Any

from kombu.transport import virtual

from celeriac.queue.held import Return


class QoS(virtual.QoS):
    """Counts what is in hand against the prefetch limit; everything else goes to the table."""

    def can_consume(self) -> bool:
        return self.can_consume_max_estimate() != 0

    def can_consume_max_estimate(self) -> int | None:
        """Return how many messages may come; None: no limit. A pool may have room for more than Celery counts."""
        if not self.prefetch_count:
            return None
        room: int = self.channel.table.hooks.room()
        free: int = self.prefetch_count + room - len(self._delivered)
        return max(0, free)

    def is_beyond(self) -> bool:
        """Whether more is in hand than the prefetch limit."""
        return bool(self.prefetch_count) and len(self._delivered) > self.prefetch_count

    def forget(self, delivery_tag: str) -> None:
        """It is not in hand any more: the table sees to it."""
        self._delivered.pop(delivery_tag, None)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge: never again delivered, and sent with the next fetch or tick."""
        self.channel.table.ack(delivery_tag)
        self._delivered.pop(delivery_tag, None)
        self.channel.freed()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give the message back (at the tail, as kombu does; a lost one at the head), or bury what nobody can run."""
        table = self.channel.table
        if requeue:
            lost = table.is_lost(delivery_tag)
            table.send_back([Return(delivery_tag, "worker lost" if lost else "given back", lost, not lost)])
        else:
            table.send_back([Return(delivery_tag, "rejected", bury=True)])
        self._delivered.pop(delivery_tag, None)
        self.channel.send_returns()
        self.channel.freed()

    def restore_unacked(self, client: Any = None) -> list[Any]:
        """Give back what never began; running jobs keep their lease and can still be acknowledged."""
        table = self.channel.table
        table.give_up(table.unbegun(self._delivered))
        self._delivered.clear()
        self.channel.send_returns()
        return []

    def restore_unacked_once(self, stderr: Any = None) -> None:
        self._on_collect.cancel()
        if self.channel.do_restore:
            self.restore_unacked()

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to do: leases, not a visibility timeout, bring lost messages back."""
