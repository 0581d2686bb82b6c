"""One sandbox for all tests; they are skipped where it cannot run."""

import pytest

from pytest_slm import sandbox as room
from pytest_slm.errors import NotAvailableError


@pytest.fixture(scope="session")
def sandbox():
    try:
        room.available()
    except NotAvailableError as error:
        pytest.skip(str(error))
    with room.Sandbox(room.Limits(work=3_000_000_000, memory=128 << 20, seconds=30)) as made:
        yield made
