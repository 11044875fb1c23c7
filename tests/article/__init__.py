"""The article's system: real Flask, Gunicorn, worker and Flower processes over a real Valkey."""
