"""Every setting of the library: its name, default, type, bounds and one sentence.

A setting NAME is given as `CELERIAC_NAME` in the environment or in `app.config` (which wins). Unknown names
under the prefix are refused with the nearest known one. Celery's own settings go, lower case, into
`app.config["CELERY"]`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from celeriac.errors import ConfigError

PREFIX = "CELERIAC_"
CELERYS_OWN = "CELERY_BROKER_URL"  # set by the `celery` command, from -b or from BROKER_URL
DEFAULT_BROKER_URL = "redis://localhost:6379/0"


class Settings(BaseModel):
    """The validated settings of one app. Durations are seconds, sizes are bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    broker_url: str = Field(DEFAULT_BROKER_URL, description="Redis that carries queue, record and results.")
    result_backend: str = Field("", description="Where results live; must be the broker's server and database.")
    transport: Literal["celeriac", "stock"] = Field(
        "celeriac", description="`stock` goes back to kombu's own Redis transport (without our guarantees)."
    )
    sentinel_master: str = Field(
        "mymaster", min_length=1, description="The name of the primary, where BROKER_URL names Sentinels."
    )
    key_prefix: str = Field(
        "", max_length=100, pattern=r"^([\w.:-]*[:_.-])?$", description="Put before every key; ends in one of `:_.-`."
    )
    lease: float = Field(20.0, ge=1, le=3600, description="After this long without renewal a worker is lost.")
    max_losses: int = Field(3, ge=1, le=100, description="Started attempts lost before a job is dead-lettered.")
    batch: int = Field(256, ge=0, le=1000, description="Messages fetched ahead of the free slots, at the most.")
    hold: float = Field(0.2, ge=0.01, le=10, description="How long a message fetched ahead may wait in a worker.")
    grace: float = Field(25.0, ge=0, le=86400, description="Time for running jobs to finish when a worker stops.")
    cancel_grace: float = Field(
        5.0,
        ge=0,
        le=3600,
        description="After this long a cancelled job that goes on is ended by force, where possible.",
    )
    publish_timeout: float = Field(1.5, gt=0, le=60, description="A submit not accepted in this time failed.")
    retention: float = Field(86400.0, ge=60, description="How long a finished job's record and result are kept.")
    result_limit: int = Field(
        1048576,
        ge=1024,
        le=67108864,
        description="A larger result (bytes, as JSON) is kept in a file.",
    )
    local: bool = Field(False, description="Local development: open to this machine, closed to every other.")
    body_limit: int = Field(
        262144, ge=1024, le=67108864, description="A larger request body (bytes) is refused with 413."
    )
    batch_limit: int = Field(
        8388608, ge=1024, le=67108864, description="A larger body (bytes) of a batch of submits is refused with 413."
    )
    queue_limit: int = Field(
        0, ge=0, description="A queue that holds this many messages takes no more submits (503); 0: no limit."
    )
    caller_limit: int = Field(
        100000, ge=0, description="A caller with this many unfinished jobs submits no more (429); 0: no limit."
    )
    rate_limit: int = Field(
        600, ge=0, description="Unsafe requests that one caller may send in a minute (429 beyond); 0: no limit."
    )
    waits: int = Field(8, ge=0, le=10000, description="Requests that one web process holds open for `Prefer: wait`.")
    streams: int = Field(
        1000, ge=0, le=100000, description="Event streams of one web process; fewer where its threads do not suffice."
    )
    stream_age: float = Field(
        900.0, ge=0.1, le=86400, description="An event stream ends after this long; its client comes back."
    )
    proxies: int = Field(0, ge=0, le=10, description="Proxies in front whose X-Forwarded headers are believed.")
    origins: str = Field("", description="Other sites whose pages may act here, separated by spaces.")
    history: bool = Field(True, description="Copy what happens into SQL: search, statistics, and a net under Redis.")
    database_url: str = Field(
        "",
        pattern=r"^$|^(sqlite|postgres|postgresql)(\+\w+)?://",
        description="SQL of the history, SQLite or PostgreSQL; unset: `history.db` in the data folder.",
    )
    history_retention: float = Field(
        2592000.0, ge=3600, description="How long the history keeps a job after its end (30 days)."
    )
    file_limit: int = Field(
        67108864, ge=1024, description="A larger file of a job (bytes) is refused; files are in the data folder."
    )
    webhook_secrets: str = Field(
        "", description="What signs webhooks: `whsec_…`, the present one first; unset: made from the SECRET_KEY."
    )
    webhook_allow: str = Field("", description="Inner names and networks that webhooks may call, separated by spaces.")
    webhook_queue: str = Field("io", min_length=1, description="The queue of the jobs that deliver webhooks.")
    webhook_timeout: float = Field(15.0, ge=0.1, le=120, description="Seconds that one call of a webhook may take.")
    port: int = Field(5000, ge=1, le=65535, description="`up`: the port of the web server, on loopback.")
    flower_port: int = Field(5555, ge=1, le=65535, description="`up`: the port of Flower, on loopback.")
    flower: bool = Field(True, description="`up`: run Flower.")
    data: str = Field("var", min_length=1, description="`up`: the folder of the embedded Valkey and of secrets.")
    celery_app: str = Field("backend", description="`up`: the Celery app, as `celery -A` takes it.")
    wsgi_app: str = Field("run:app", description="`up`: the Flask app, as Gunicorn takes it.")
    web_workers: int = Field(1, ge=1, le=64, description="`up`: web server processes.")
    web_threads: int = Field(64, ge=2, le=1000, description="`up`: threads of each web server process.")
    processes: int = Field(2, ge=1, le=256, description="`up`: processes of the lane for ordinary jobs.")
    threads: int = Field(16, ge=1, le=1000, description="`up`: threads of the lane `io`, for jobs that wait.")
    get_submits: bool | None = Field(
        None, description="Whether `GET /longtask` may submit; unset: on loopback alone. Behind a proxy: false."
    )


def load(config: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Return the settings given by `config` over `environ`; raise ConfigError naming every finding at once."""
    given: dict[str, Any] = {}
    for source in (environ, config):
        for key, value in source.items():
            if key.startswith(PREFIX):
                given[key.removeprefix(PREFIX).lower()] = value
            elif key in ("BROKER_URL", "RESULT_BACKEND", "DATABASE_URL") and value:
                given[key.lower()] = value
    findings = [_unknown(name) for name in given if name not in Settings.model_fields]
    try:
        settings = Settings(**{k: v for k, v in given.items() if k in Settings.model_fields})
    except ValidationError as error:
        findings += [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}." for e in error.errors()]
        settings = Settings()
    if environ.get(CELERYS_OWN) not in (None, "", environ.get("BROKER_URL"), settings.broker_url):
        findings.append(f"{CELERYS_OWN} (`celery -b`) is not read: set BROKER_URL.")
    if findings:
        raise ConfigError("Wrong settings. " + " ".join(findings), "See docs/settings.md for every setting.")
    if not settings.result_backend:
        return settings.model_copy(update={"result_backend": settings.broker_url})
    if settings.transport != "stock" and not _same_place(settings.result_backend, settings.broker_url):
        raise ConfigError(
            "RESULT_BACKEND is not the server and database of BROKER_URL: it could not take a job's end in one move.",
            "Leave RESULT_BACKEND out, or give it the URL of BROKER_URL.",
        )
    return settings


def _same_place(url: str, other: str) -> bool:
    try:
        return url == other or _place(url) == _place(other)
    except ValueError:
        return False


def _place(url: str) -> tuple[object, ...]:
    """Return the server and database that a URL names, whatever its user, password and spelling.

    Raises ValueError for what is no URL.
    """
    servers = [urlsplit(part) for part in url.split(";")]
    last, scheme = servers[-1], servers[0].scheme.lower()
    if "socket" in scheme or scheme == "unix":
        database = parse_qs(last.query).get("virtual_host") or parse_qs(last.query).get("db") or ["0"]
        return ("socket", last.path, database[0].strip("/"))
    hosts = frozenset((_host(server.hostname or "localhost"), server.port or 6379) for server in servers)
    kind = scheme.replace("rediss", "redis")
    return (kind, hosts, last.path.strip("/") or "0")


def _host(name: str) -> str:
    return "localhost" if name in ("127.0.0.1", "::1") else name


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    meant = f", did you mean {PREFIX}{near[0].upper()}?" if near else "."
    return f"{PREFIX}{name.upper()} is not a setting{meant}"
