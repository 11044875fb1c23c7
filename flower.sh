#!/bin/sh
# Flower on http://127.0.0.1:5555, for this machine alone: its buttons use its API, which is therefore open here.
cd "$(dirname "$0")" || exit 1
export FLOWER_UNAUTHENTICATED_API="${FLOWER_UNAUTHENTICATED_API:-true}"
exec celery -A backend flower --address=127.0.0.1 --port="${FLOWER_PORT:-5555}" "$@"
