"""Benchmarks: this project beside its peers, same machine, same run, same Redis settings, same work."""
