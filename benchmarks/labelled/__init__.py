"""Answers that people have labelled, and how scorers agree with them."""
