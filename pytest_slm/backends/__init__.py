"""Engines behind one protocol, each in a process of its own."""
