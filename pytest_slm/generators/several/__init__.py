"""Samples from several tables: of two that share a column, of configurations with the same columns."""
