"""A seeded fuzzer of the compiled core; `scripts/fuzz.py` runs it."""
