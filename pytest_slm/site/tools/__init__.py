"""Calculators that work in the browser, from a folder: memory, devices, cost, commands, tokens, reports."""

from pytest_slm.site.tools.pages import tools_pages

__all__ = ["tools_pages"]
