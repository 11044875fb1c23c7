#!/bin/sh
celery -A backend worker --loglevel=info
