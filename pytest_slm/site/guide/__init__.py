"""Pages around the files: tasks, use cases, machines, how to read the numbers, what is new, how to take part."""

from pytest_slm.site.guide.pages import guide_pages

__all__ = ["guide_pages"]
