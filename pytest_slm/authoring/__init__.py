"""Suites that people write: a first one to begin with, and what is wrong or missing in one, without a model."""
