"""What the remaining time is reckoned from: how many samples each item has, as soon as anybody knows."""

import pytest

from pytest_slm.terminal.progress import LiveLine

GOOD = [("capital of France", "Paris"), ("and now", "Paris"), ("again", "Oslo")]
SCRIPT = {"text": "Paris"}
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: test, path: test.parquet}\n---\n"
ROWS = """\
kind: checks
description: Capitals from a data set.
requires: [chat]
scorer: contains
metrics: [exact_match]
tokens_per_sample: 50
options:
  generator: rows
  dataset: {path: org/capitals}
  max_tokens: 8
  sample: {id: "{row}", input: "Capital of {place}?", target: "{capital}"}
"""


@pytest.fixture
def mirror(pytester):
    """A mirror with a data set of 1,200 capitals."""
    datasets = pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
    folder = pytester.path / "mirror/org/capitals"
    folder.mkdir(parents=True)
    rows = [{"place": f"place {number}", "capital": "Paris"} for number in range(1200)]
    datasets.Dataset.from_list(rows).to_parquet(folder / "test.parquet")
    (folder / "README.md").write_text(CARD)
    return f"--slm-data={pytester.path / 'mirror'}"


def test_a_data_set_is_weighed_by_the_rows_it_has_when_it_is_read(run, suite, mirror, monkeypatch):
    weights = []
    monkeypatch.setattr(LiveLine, "finish", lambda self, item, **_: weights.append((str(item), dict(self._costs))))
    folder = suite(a=GOOD, b=GOOD)
    (folder / "b.yaml").write_text(ROWS)
    run("suites", "--slm-mode=full", mirror, **SCRIPT).assert_outcomes(passed=2)
    (first, planned), (second, known) = [
        (name, {str(item): cost for item, cost in costs.items()}) for name, costs in weights
    ]
    assert (first, second) == ("geo/a[scripted]", "geo/b[scripted]")
    assert planned["geo/b[scripted]"] == 50 * 1000  # nobody has read it
    assert known["geo/b[scripted]"] == 50 * 1200
    assert known["geo/a[scripted]"] == planned["geo/a[scripted]"]  # a file of three questions was three from the start


def test_a_limit_is_known_from_the_start(run, suite, mirror, monkeypatch):
    weights = []
    monkeypatch.setattr(LiveLine, "start", lambda self, item: weights.append(dict(self._costs)))
    folder = suite(a=GOOD)
    (folder / "a.yaml").write_text(ROWS)
    run("suites", "--slm-limit=20", mirror, **SCRIPT).assert_outcomes(passed=1)
    assert [list(costs.values()) for costs in weights] == [[50.0 * 20]]


def test_answers_that_are_asked_for_several_times_weigh_as_often(run, suite, monkeypatch):
    weights = []
    monkeypatch.setattr(LiveLine, "finish", lambda self, item, **_: weights.append(list(self._costs.values())))
    suite(a=GOOD, b=GOOD)
    run("suites", "--slm-repeats=4", "--slm-temperature=0.5", **SCRIPT).assert_outcomes(passed=2)
    assert weights == [[100.0 * 3 * 4] * 2] * 2  # before it begins, and when it has


def test_an_item_that_is_skipped_counts_for_nothing(run, suite, monkeypatch):
    weights, finish = [], LiveLine.finish

    def finished(self, item, **more):
        finish(self, item, **more)
        weights.append(list(self._costs.values()))

    monkeypatch.setattr(LiveLine, "finish", finished)
    folder = suite(a=GOOD, b=GOOD)
    (folder / "a.yaml").write_text(ROWS)  # the data set is nowhere
    run("suites", "--slm-offline", **SCRIPT).assert_outcomes(passed=1, skipped=1)
    assert weights == [[0.0, 300.0], [0.0, 300.0]]
