"""Other quantizers beside ours: the same student, data and machine, every form in turn in one run.

``scripts/compare-quantizers`` exports float graphs with calibration feeds, lets each peer quantize them in an
environment of its own (``scripts/quantizers/``), and measures what came back beside what this package lowers.
"""
