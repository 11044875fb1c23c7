"""What one may ask: submit, cancel, retry, forget, pause. Speaks to the store, and by functions it is given.

1. `Context` is what an app gives: its Redis, its tasks, its way of submitting.
2. `jobs` acts on one job, `many` on all that fit, `queues` on a queue or on dead letters, `workers` on a worker; each
   raises errors of ours, with their remedy.
3. `past` does so with a job that the history alone remembers.
4. `waiting` says why a job does not run yet.

HTTP, the console and the command line call these, so that they allow, refuse and say the same.
"""

from celeriac.actions import past
from celeriac.actions.context import Command, Context, Send
from celeriac.actions.family import family
from celeriac.actions.jobs import cancel, delete, retry, submit, submit_many, wait
from celeriac.actions.queues import pause, purge, purge_dead, release, requeue, resume
from celeriac.actions.waiting import Waiting, waiting
from celeriac.actions.workers import resize, shut_down

__all__ = [
    "Command",
    "Context",
    "Send",
    "Waiting",
    "cancel",
    "delete",
    "family",
    "past",
    "pause",
    "purge",
    "purge_dead",
    "release",
    "requeue",
    "resize",
    "resume",
    "retry",
    "shut_down",
    "submit",
    "submit_many",
    "wait",
    "waiting",
]
