"""Pages of documentation to a site: prepared as plain Markdown, made by Zensical, looked at before anybody sees it."""

from pytest_slm.docs_site.build import BuildResult, build_docs

__all__ = ["BuildResult", "build_docs"]
