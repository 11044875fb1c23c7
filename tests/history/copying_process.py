"""One process that copies, for tests that kill it: python -m tests.history.copying_process BROKER_URL DATABASE_URL"""

from __future__ import annotations

import sys
import time

from flask import Flask

from celeriac import Celeriac, history


def main() -> None:
    """Copy until killed."""
    app = Flask("copying")
    app.config.update(BROKER_URL=sys.argv[1], DATABASE_URL=sys.argv[2], CELERIAC_HISTORY=True)
    Celeriac(app)
    copier = history.start(app)
    print("copying", flush=True)
    while copier is not None and copier.running:
        time.sleep(0.1)


if __name__ == "__main__":
    main()
