"""Texts that a model sorts into classes by what it takes for the likelier next word."""
