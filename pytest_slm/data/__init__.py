"""Mirrors of benchmark data: what suites need, how it is fetched, and whether it is still what it was."""
