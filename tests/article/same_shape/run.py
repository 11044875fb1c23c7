"""Starts the app of the article's shape."""

import os

from backend import create_app

app = create_app()

if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]))
