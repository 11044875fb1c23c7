"""The app's configuration: upper-case names are Flask settings, secrets come from the environment."""

import os

# Flask configuration. There is no default secret: whatever signs with it fails until it is set.
SECRET_KEY = os.getenv("SECRET_KEY")
MAX_CONTENT_LENGTH = 256 * 1024

# Redis and Celery configuration. CELERY takes Celery's own settings, lower case: {"task_time_limit": 3600}.
BROKER_URL = os.getenv("BROKER_URL", "redis://localhost:6379/0")
RESULT_BACKEND = os.getenv("RESULT_BACKEND", "")  # when empty: BROKER_URL
CELERY: dict[str, object] = {}
