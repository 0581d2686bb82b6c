"""The page that compares files, and the data that its script reads."""

from pytest_slm.site.compare.data import compare_page, file_key, has_file, index_script, listed, model_scripts

__all__ = ["compare_page", "file_key", "has_file", "index_script", "listed", "model_scripts"]
