"""Samples that several of these files ask."""

import pytest


@pytest.fixture(scope="session")
def capitals():
    """Twenty samples, as a file of samples has them."""
    return [{"id": name, "input": f"Capital of {name}?", "target": name[::-1]} for name in "abcdefghijklmnopqrst"]
