#!/bin/sh
# One worker that consumes every queue. `python3 dev.py up` starts two lanes instead: see README.md.
cd "$(dirname "$0")" || exit 1
exec celery -A backend worker --loglevel=info -E "$@"
