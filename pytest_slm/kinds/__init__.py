"""Kinds of tasks: what samples they have, how each is asked, and what its answer is worth (docs/plugins.md)."""
