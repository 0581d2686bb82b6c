"""Samples from conversations that people have written: each question with those before it."""
