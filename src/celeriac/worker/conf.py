"""Celery's settings for an app of ours, in Celery's words: our defaults, and the user's own on top.

`app.config["CELERY"]` holds the user's, lower case. Nothing is ignored: an unknown name, a setting that
has another home here, or one that would let pickle in is refused with its remedy, all findings at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from celery.app.defaults import DEFAULTS

from celeriac import queue
from celeriac.config import Settings
from celeriac.errors import ConfigError

#: Queues that a worker without `-Q` consumes: the ordinary lane, and the one for jobs that mostly wait.
QUEUES = ("celery", "io")
JSON_ONLY = (
    "accept_content",
    "event_serializer",
    "result_accept_content",
    "result_serializer",
    "task_serializer",
)
ELSEWHERE = {
    "broker_url": "BROKER_URL",
    "broker_read_url": "BROKER_URL",
    "broker_write_url": "BROKER_URL",
    "result_backend": "RESULT_BACKEND",
}
#: Names before Celery 4 and the ones tutorials use; Celery reads none of them from a Flask config.
OLD_PREFIXES = ("CELERY_", "CELERYD_", "CELERYBEAT_")
#: Modules that a worker imports at its start.
WORKER_MODULES = ("celeriac.worker.control",)
ROUTE = "celeriac.worker.routing:route"
EXTENSION_PREFIXES = ("redbeat_",)


def celery_settings(config: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return every Celery setting of the app; raise ConfigError naming all that cannot be honoured."""
    given = config.get("CELERY") or {}
    if not isinstance(given, Mapping):
        raise ConfigError("CELERY must be a dict of Celery's own settings, lower case.")
    findings = [finding for name, value in given.items() if (finding := _finding(str(name), value))]
    findings += [
        f"{name} is not read: lower case it belongs into CELERY; URLs are BROKER_URL, RESULT_BACKEND."
        for name in config
        if name.startswith(OLD_PREFIXES)
    ]
    if findings:
        raise ConfigError("Wrong Celery settings. " + " ".join(findings), "Names: Celery's configuration page.")
    return {**_defaults(settings), **given, **_joined(given)}


def _finding(name: str, value: Any) -> str:
    if name in ELSEWHERE:
        return f"{name} is taken from {ELSEWHERE[name]}: set that instead."
    if name in JSON_ONLY and value not in ("json", ["json"], ("json",), {"json"}):
        return f"{name} must be JSON alone: nothing else is read or written here."
    if name == "worker_pool_start_method" and value != "fork":
        return f"{name} must be fork: a Flask app cannot be sent to a process that starts from nothing."
    if name in DEFAULTS or name.startswith(EXTENSION_PREFIXES):
        return ""
    near = difflib.get_close_matches(name.lower(), DEFAULTS, n=1)
    return f"{name} is not a Celery setting" + (f", did you mean {near[0]}?" if near else ".")


def _result_backend(settings: Settings) -> str:
    """Return Celery's URL of our backend, or the plain one under the stock transport."""
    url = settings.result_backend
    if settings.transport == "stock" or not url.startswith(("redis", "rediss", "sentinel", "unix")):
        return url
    kind = "Sentinel" if url.startswith("sentinel") else "Backend"
    return f"celeriac.worker.backend:{kind}+{url.removeprefix('redis+')}"


def _joined(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in which ours stand beside the user's: the user's routes come first."""
    routes = given.get("task_routes") or ()
    routes = routes if isinstance(routes, list | tuple) else (routes,)
    include = given.get("include") or ()
    include = (include,) if isinstance(include, str) else include
    return {"task_routes": (*routes, ROUTE), "include": (*include, *WORKER_MODULES)}


#: Celery's own defaults of what each submit reads: a setting that is set is found in a third of the time.
ASKED = ("task_always_eager", "task_default_queue", "task_send_sent_event")


def _defaults(settings: Settings) -> dict[str, Any]:
    return {
        **{name: DEFAULTS[name] for name in ASKED},
        "broker_url": settings.broker_url,
        "broker_read_url": settings.broker_url,  # the `celery` command lets the environment win over broker_url alone
        "broker_write_url": settings.broker_url,
        "result_backend": _result_backend(settings),
        "broker_transport_options": queue.options(settings),
        "result_backend_transport_options": {
            "global_keyprefix": settings.key_prefix,
            "master_name": settings.sentinel_master,
            "retry_policy": {"timeout": 5.0},
        },
        "redis_socket_timeout": 5.0,
        "redis_socket_connect_timeout": settings.publish_timeout,
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_track_started": True,
        "worker_prefetch_multiplier": 1,
        "result_expires": settings.retention,
        "result_backend_thread_safe": True,  # one for all threads: each job's thread would make its own, 5 KiB
        "task_queues": {name: {} for name in QUEUES},
        "worker_consumer": "celeriac.worker.consumer:Consumer",
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits for Redis for ever
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # running jobs outlive a reconnect
        "broker_pool_limit": 64,  # more than a web process has threads; Celery's 10 would make the 11th wait
        "broker_pool_acquire_timeout": settings.publish_timeout,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0.1},
        "worker_redirect_stdouts": False,  # Celery would log each piece of a print; capture.py sees lines
    }
