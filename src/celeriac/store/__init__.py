"""Speaks Redis, alone in the house: the record of every job, changed by a few atomic Lua moves.

1. `moves/*.lua` are the moves; each opens with its arguments, its reply and the race it closes.
2. `scripts` turns them into callables and writes the rules of `job.py` into them.
3. `moves` is what the other rooms call: publish, fetch, tend, start, report, finish, cancel …
4. `record` reads a job back; `queues` and `dead` read and steer the queues; `health` refuses an unfit Redis.

The store knows no rules and no Celery: legal moves come from `job.py`, messages are bytes that pass through.
"""
