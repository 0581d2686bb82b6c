"""Right calls are right, and every change to them is what it should be: of a sample, and nightly of all."""

from collections import Counter

import pytest

from pytest_slm.bfcl.categories import CALLS
from pytest_slm.bfcl.checker import OURS, PUBLISHED, STRICT, problem
from pytest_slm.bfcl.question import questions
from pytest_slm.bfcl.rows import read_rows
from pytest_slm.core.config import RunConfig

pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[bfcl]'")


def wrong(mirror, every):
    from benchmarks.common.bfcl_cases import mutations

    config = RunConfig(model="fake", data=str(mirror), offline=True)
    seen, found = Counter(), []
    for category in CALLS:
        for question in questions(category, read_rows(category, config)[0])[::every]:
            for case in mutations(question):
                seen[case.change] += 1
                rules = [PUBLISHED, OURS, *([] if case.change == "heard alike" else [STRICT])]
                if any((problem(question, case.calls, one) is None) is not case.right for one in rules):
                    found.append((question.id, case.change))
    return seen, found


def test_changes_are_what_they_should_be(mirror):
    seen, found = wrong(mirror, every=12)
    assert found == []
    assert len(seen) == 12
    assert seen.total() > 1000


@pytest.mark.nightly
def test_all_changes_are_what_they_should_be(mirror):
    seen, found = wrong(mirror, every=1)
    assert found == []
    assert seen.total() > 15_000
