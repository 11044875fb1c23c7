"""A package, so that a folder of tests may be named like a module of Python's own (`queue`)."""
