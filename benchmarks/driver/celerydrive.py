"""The driver of every Celery based system: plain `apply_async`, results read from the result keys."""

from celery import states
from jobdriver import Peer


class CeleryPeer(Peer):
    """Subclasses give `app`, `add` and `nap_task`."""

    packages = ("celery", "kombu", "redis", "hiredis")
    app = add = nap_task = None

    async def submit(self, pairs):
        call = self.add.apply_async
        return [call((x, y)).id for x, y in pairs]

    async def nap(self, number, steps, seconds):
        return [self.nap_task.apply_async((steps, seconds)).id for _ in range(number)]

    async def results(self, handles):
        backend = self.app.backend
        rows = backend.client.mget([backend.get_key_for_task(handle) for handle in handles])
        return [self._value(backend.decode(row)) if row else None for row in rows]

    @staticmethod
    def _value(meta):
        if meta["status"] == states.SUCCESS:
            return meta["result"]
        return None if meta["status"] in states.UNREADY_STATES else meta["status"]


class BatchingPeer(CeleryPeer):
    """With Celery 5.7's own call for many messages: one pipeline for a whole batch."""

    async def submit_bulk(self, pairs):
        with self.app.producer_or_acquire() as producer, producer.batch(1000):
            return [self.add.apply_async((x, y), producer=producer).id for x, y in pairs]
