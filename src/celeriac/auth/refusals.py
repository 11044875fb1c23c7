"""What production refuses to start with: every finding at once, each with its remedy. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from celeriac.auth.origin import is_loopback
from celeriac.errors import ConfigError

MIN_SECRET = 32
_MIN_DIFFERENT = 10
#: Secrets that everybody knows: the article's, Flask's documentation's, and what people type first.
KNOWN_SECRETS = frozenset(
    {
        "mysecret",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "_5#y2L\"F4Q8z\\n\\xec]/",
        "_5#y2L\"F4Q8z\n\xec]/",
        "you-will-never-guess",
        "thisisasecretkeythisisasecretkey",
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyz0123456789",
    }
)  # fmt: skip
_PLACEHOLDERS = (
    "changeme",
    "change-me",
    "change_me",
    "replace-me",
    "replaceme",
    "your-secret",
    "your_secret",
)
_NEW_SECRET = 'Set SECRET_KEY to the output of `python3 -c "import secrets; print(secrets.token_hex(32))"`.'


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason not to start, and what to do about it."""

    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an app that is about to serve. None says that it could not be found out."""

    local: bool
    secret_key: str | bytes | None
    debug: bool = False
    testing: bool = False
    tokens: int | None = None
    eviction: str | None = None
    bind: str | None = None
    broker: tuple[Finding, ...] = ()


def findings(facts: Facts) -> list[Finding]:
    """Return every reason not to start, in the order a person would mend them."""
    if facts.local:
        return _local_findings(facts)
    found = _secret_findings(facts.secret_key)
    if facts.debug:
        found.append(
            Finding("Debug is on: every visitor could run code.", "Unset FLASK_DEBUG and app.config['DEBUG'].")
        )
    if facts.testing:
        found.append(Finding("TESTING is on: errors are not handled.", "Unset app.config['TESTING']."))
    if facts.tokens == 0:
        found.append(
            Finding(
                "There is no API token, so nobody could come in.",
                "Make the first one: `flask jobs token create --owner me --scope admin`.",
            )
        )
    if facts.eviction not in (None, "noeviction"):
        found.append(
            Finding(
                f"Redis throws jobs away when it is full (maxmemory-policy {facts.eviction}).",
                "Run `redis-cli CONFIG SET maxmemory-policy noeviction` and put it into redis.conf.",
            )
        )
    return [*found, *facts.broker]


def is_fit(secret: str | bytes) -> bool:
    """Whether a secret is good enough to sign with in production."""
    return not _secret_findings(secret)


def check(facts: Facts) -> None:
    """Raise ConfigError naming every finding with its remedy; return when there is none."""
    found = findings(facts)
    if not found:
        return
    listed = "\n".join(f"  {n}. {one.problem} {one.remedy}" for n, one in enumerate(found, 1))
    raise ConfigError(
        f"Refusing to start:\n{listed}\n",
        "" if facts.local else "On your own machine, CELERIAC_LOCAL=1 asks for none of this.",
    )


def _local_findings(facts: Facts) -> list[Finding]:
    if facts.bind is None or is_loopback(facts.bind):
        return []
    return [
        Finding(
            f"Local development is open to whoever reaches it, and this listens on {facts.bind}.",
            "Listen on 127.0.0.1, or unset CELERIAC_LOCAL.",
        )
    ]


def _secret_findings(secret: str | bytes | None) -> list[Finding]:
    if not secret:
        return [Finding("SECRET_KEY is not set.", _NEW_SECRET)]
    text = secret.decode("latin-1") if isinstance(secret, bytes) else secret
    if text in KNOWN_SECRETS or any(word in text.lower() for word in _PLACEHOLDERS):
        return [Finding("SECRET_KEY is one that everybody knows.", _NEW_SECRET)]
    if len(text) < MIN_SECRET or len(set(text)) < _MIN_DIFFERENT:
        return [Finding(f"SECRET_KEY is too short or too simple (at least {MIN_SECRET} characters).", _NEW_SECRET)]
    return []
