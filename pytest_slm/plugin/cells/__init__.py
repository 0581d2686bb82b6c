"""Cells in a session: taken over from a store, kept in it, and shared among machines."""
