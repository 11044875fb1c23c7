"""Metrics for Prometheus, read when they are asked for: nothing is counted twice. Speaks prometheus_client.

Only what Redis knows of all processes is told here; a web process keeps no numbers of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from celeriac.actions import Context
from celeriac.api.contract import Table
from celeriac.api.parts import parts
from celeriac.auth.caller import Scope
from celeriac.job import TERMINAL
from celeriac.registry.openapi import Answer, Route
from celeriac.store import counters, dead, queues, workers
from celeriac.store.queues import Queue

table = Table("metrics")

#: name -> (sentence, value of a queue)
OF_A_QUEUE: dict[str, tuple[str, Callable[[Queue], float]]] = {
    "length": ("Jobs ready to start", lambda queue: queue.length),
    "in_flight": ("Jobs that a worker has", lambda queue: queue.in_flight),
    "delayed": ("Jobs that wait for their time", lambda queue: queue.delayed),
    "oldest_seconds": ("How long the next job has been ready", lambda queue: queue.oldest or 0.0),
    "consumers": ("Workers that listen", lambda queue: len(queue.consumers)),
    "paused": ("1 while the queue is paused", lambda queue: int(queue.paused)),
}


@table.route(
    Route(
        "/metrics", "GET", "Metrics for Prometheus", scope=Scope.OPERATE,
        answers=(Answer(200, "The text format of Prometheus.", media="text/plain"),),
    )
)  # fmt: skip
def show() -> Response:
    """Answer every metric."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Jobs(parts().context))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Jobs(Collector):
    """Queues, workers and outcomes at this moment."""

    def __init__(self, app: Context) -> None:
        self.app = app

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; raises BrokerUnavailable, so that a scrape fails rather than shows nothing."""
        client, space = self.app.client, self.app.space
        found = queues.list_queues(client, space)
        for name, (sentence, value) in OF_A_QUEUE.items():
            gauge = GaugeMetricFamily(f"celeriac_queue_{name}", f"{sentence}, by queue.", labels=["queue"])
            for queue in found:
                gauge.add_metric([queue.name], value(queue))
            yield gauge
        alive = [worker for worker in workers.list_workers(client, space) if worker.alive]
        yield GaugeMetricFamily("celeriac_workers", "Workers heard of within a lease.", value=len(alive))
        slots = sum(worker.concurrency for worker in alive)
        yield GaugeMetricFamily("celeriac_slots", "Jobs that those workers can run at once.", value=slots)
        running = sum(worker.running for worker in alive)
        yield GaugeMetricFamily("celeriac_running", "Jobs that those workers run.", value=running)
        yield GaugeMetricFamily("celeriac_dead_letters", "Dead letters.", value=dead.count(client, space))
        totals, events = counters.read(client, space)
        ended = CounterMetricFamily("celeriac_jobs_ended", "Jobs that ended, by state.", labels=["state"])
        for state in sorted(TERMINAL):
            ended.add_metric([state], totals.get(state, 0))
        yield ended
        unusual = CounterMetricFamily("celeriac_events", "Unusual things that happened, by kind.", labels=["kind"])
        for kind, n in sorted(events.items()):
            unusual.add_metric([kind], n)
        yield unusual
