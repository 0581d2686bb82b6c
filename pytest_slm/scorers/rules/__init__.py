"""Scorers for questions of one's own, each with options: what most people check answers by (docs/scorers.md)."""
