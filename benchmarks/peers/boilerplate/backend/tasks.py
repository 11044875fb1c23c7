from celery import current_app


@current_app.task
def long_task():
    import time
    for i in range(300):
        print(f"Running step {i}...")
        time.sleep(10)  # Simulate a time-consuming task
    return "Task complete!"


@current_app.task
def add(x, y):
    return x + y


@current_app.task
def nap(steps, seconds):
    import time
    for _ in range(steps):
        time.sleep(seconds)
    return steps
