"""Start the Flask application: `python run.py` on this machine and for it alone, or `gunicorn run:app`."""

import os

from backend import create_app

if __name__ == "__main__":
    os.environ.setdefault("CELERIAC_LOCAL", "1")
app = create_app()

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.getenv("PORT", "5000")))
