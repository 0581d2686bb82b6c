"""Timings and memory (``performance``), and lm-eval as a library (``upstream``)."""
