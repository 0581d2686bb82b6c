"""A registry of three models, of whose site all is kept, and what was made of it."""

from __future__ import annotations

import pytest

from pytest_slm.registry import build_registry, write_registry
from pytest_slm.site import models
from pytest_slm.site.kept import keeping


@pytest.fixture
def content():
    """The bytes of every file below a folder by its path."""
    return lambda folder: {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def made(monkeypatch):
    """The models whose pages were made."""
    found, files = [], models.model_files
    monkeypatch.setattr(models, "model_files", lambda entry, *a, **k: found.append(entry.id) or files(entry, *a, **k))
    return found


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch):
    """What is known of models is kept, however few they are."""
    monkeypatch.setattr(keeping, "ENOUGH", 1)


@pytest.fixture
def registry(tmp_path, factory, runs):
    """A registry of three models."""
    write_registry(
        tmp_path / "registry",
        build_registry(factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)),
    )
    return tmp_path / "registry"
