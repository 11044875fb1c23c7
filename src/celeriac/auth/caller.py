"""Who calls, what they may do and which jobs they see. Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from celeriac.errors import ConfigError, Forbidden


class Scope(StrEnum):
    """What a token allows; a later one includes what it stands for and those that it names."""

    SUBMIT = "submit"  # submit jobs; cancel, retry and delete one's own
    READ = "read"  # read one's own jobs
    OPERATE = "operate"  # submit and read; everybody's jobs, queues and workers
    ADMIN = "admin"  # all of it, and the tokens


#: scope -> the scopes that it brings
INCLUDES: dict[Scope, frozenset[Scope]] = {
    Scope.SUBMIT: frozenset({Scope.SUBMIT}),
    Scope.READ: frozenset({Scope.READ}),
    Scope.OPERATE: frozenset({Scope.SUBMIT, Scope.READ, Scope.OPERATE}),
    Scope.ADMIN: frozenset(Scope),
}


class Way(StrEnum):
    """How a caller proved who they are. A browser sends a session unasked, so its origin is checked."""

    TOKEN = "token"
    SESSION = "session"
    LINK = "link"
    LOCAL = "local"


@functools.cache
def _brought(scopes: frozenset[Scope]) -> frozenset[Scope]:
    """Return every scope that these bring; there are sixteen sets of them."""
    return frozenset().union(*(INCLUDES[held] for held in scopes))


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who was let in. A caller by link has no owner and sees the one job of the link."""

    owner: str
    scopes: frozenset[Scope]
    way: Way
    token_id: str = ""
    job_id: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether one of the caller's scopes brings `scope`."""
        return scope in _brought(self.scopes)

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless the caller may `scope`."""
        if not self.may(scope):
            raise Forbidden(
                f"This needs the scope {scope.value!r}.",
                f"Ask for a token with it: `flask jobs token create --scope {scope.value}`.",
            )

    def sees(self, job_id: str, owner: str) -> bool:
        """Whether the job of `owner` exists for this caller."""
        if self.way is Way.LINK:
            return bool(job_id) and job_id == self.job_id
        return self.may(Scope.OPERATE) or (bool(owner) and owner == self.owner)


#: Whoever sits at this machine, in local development.
LOCAL = Caller(owner="local", scopes=frozenset({Scope.ADMIN}), way=Way.LOCAL)


def scopes_of(words: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes named by `words`; ConfigError names the ones there are."""
    try:
        return frozenset(Scope(word.strip()) for word in words if word.strip())
    except ValueError as error:
        raise ConfigError(f"{error}.", f"Scopes are: {', '.join(Scope)}.") from None
