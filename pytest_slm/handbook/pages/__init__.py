"""Markdown pages of models: data first, templates second."""

from pytest_slm.handbook.pages.build import build_pages

__all__ = ["build_pages"]
