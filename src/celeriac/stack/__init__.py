"""Running it here: speaks operating-system processes, and is the only room that starts any.

1. `python -m celeriac.stack` (which `python3 dev.py up` becomes) reads the settings and checks what it needs.
2. `parts` lists what runs and in which order; `supervisor` starts, watches, restarts and stops it.
3. `guard` is told every process group, and ends them all when the supervisor itself was killed.
4. `valkey` runs a private Valkey, for `up`, for tests and for measurements.
"""
