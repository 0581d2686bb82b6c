"""What tests of a registry on the disk share."""

import pytest


@pytest.fixture
def reports(tmp_path, factory):
    """Reports of two quantizations of one model, and of one of another."""
    folder = tmp_path / "reports"
    for quantization in ("Q8_0", "Q4_0"):
        factory.store_run(folder, factory.make_run(quantization))
    factory.store_run(folder, factory.make_run(slug="b", name="B", hf_repo="org/b"))
    return folder
