"""Shares over two settings, as squares of a colour."""
