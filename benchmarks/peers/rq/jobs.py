"""RQ: plain functions."""

import time


def add(x, y):
    return x + y


def nap(steps, seconds):
    for _ in range(steps):
        time.sleep(seconds)
    return steps
