"""Benchmarks: each tells its figures, the floor that this machine sets, and what the machine is."""
