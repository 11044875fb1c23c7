"""Where it runs: the only room that speaks Celery.

1. `app` makes the one Celery app of a Flask app, with `conf`'s settings.
2. `task` is what a job's function becomes: it runs in the app context and ends as cancelled when told to.
3. `pool` and `limits` give the threads lane what Celery's threads pool leaves out.
4. `progress` is what runs inside a job: `track`, `progress`, `current_job`.
"""
