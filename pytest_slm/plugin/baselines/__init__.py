"""Runs that are held against another one (``--slm-baseline``): options, verdicts, and what machines read of them."""
