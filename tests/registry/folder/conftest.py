"""What tests of a registry on the disk share."""

from datetime import UTC, datetime

import pytest

from pytest_slm.registry import build_folder


@pytest.fixture
def reports(tmp_path, factory):
    """Reports of two quantizations of one model, and of one of another."""
    folder = tmp_path / "reports"
    for quantization in ("Q8_0", "Q4_0"):
        factory.store_run(folder, factory.make_run(quantization))
    factory.store_run(folder, factory.make_run(slug="b", name="B", hf_repo="org/b"))
    return folder


@pytest.fixture
def registry(tmp_path, reports):
    """The folder of a registry that was built of these reports."""
    build_folder(reports, tmp_path / "registry", now=datetime(2026, 12, 1, tzinfo=UTC))
    return tmp_path / "registry"
