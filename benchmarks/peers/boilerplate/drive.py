"""Submit jobs of the article's boilerplate the way its views do."""

from celerydrive import CeleryPeer
from jobdriver import serve

from backend import celery
from backend.tasks import add, nap


class Boilerplate(CeleryPeer):
    """`apply_async` of a `current_app.task`, results by Celery's own backend."""

    app, add, nap_task = celery, add, nap


serve(Boilerplate())
