"""The page that compares files, and the data that its script reads."""

from pytest_slm.site.compare.data import compare_files, compare_page, file_key, has_file

__all__ = ["compare_files", "compare_page", "file_key", "has_file"]
