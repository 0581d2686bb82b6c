"""Which tests reach which lines; and a plugin of pytest that runs some tests by their ids, whatever is in those.

pytest -p benchmarks.common.reached --reached=FILE TESTS
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from coverage import CoverageData

Reached = Mapping[Path, Mapping[int, Sequence[str]]]
"""The ids of tests by module and line."""


def reached(data: Path, checkout: Path) -> Reached:
    """What ``pytest --cov --cov-context=test`` has kept in ``data``: the tests of each line of each module. A line
    that runs while its module is imported has those tests only that run it again."""
    kept = CoverageData(basename=str(data))
    kept.read()
    found = {}
    for name in kept.measured_files():
        lines = kept.contexts_by_lineno(name)
        found[Path(name).relative_to(checkout)] = {
            line: sorted({one.rpartition("|")[0] for one in contexts if one}) for line, contexts in lines.items()
        }
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """A file of tests to run."""
    parser.addoption("--reached", type=Path, metavar="FILE", help="run only tests whose ids are in FILE, by NUL")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests that the file names, in the order of the file."""
    if (file := config.getoption("--reached")) is None:
        return
    places = {name: place for place, name in enumerate(file.read_text().split("\0"))}
    left = [item for item in items if item.nodeid not in places]
    config.hook.pytest_deselected(items=left)
    items[:] = sorted((item for item in items if item.nodeid in places), key=lambda item: places[item.nodeid])
