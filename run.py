"""Start the Flask application: `python run.py`, or `gunicorn run:app`."""

import os

from backend import create_app

app = create_app()

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.getenv("PORT", "5000")))
