from celery import Celery
from config import BROKER_URL, RESULT_BACKEND
from flask import Flask


def make_celery(app):
    celery = Celery(
        app.import_name,
        backend=app.config['RESULT_BACKEND'],
        broker=app.config['BROKER_URL']
    )
    celery.conf.update(app.config)
    return celery

def create_app():
    app = Flask(__name__)

    # Set configuration for Redis ("either hardcode it here or read it from config.py")
    app.config['BROKER_URL'] = BROKER_URL
    app.config['RESULT_BACKEND'] = RESULT_BACKEND

    # Initialize Celery with the Flask app context
    celery = make_celery(app)

    # Register the blueprint
    from .views import main as main_blueprint
    app.register_blueprint(main_blueprint)

    return app

# Create a Celery instance globally to be accessed from tasks
celery = make_celery(create_app())
