"""An item is measured, or its result says why it could not be."""

import dataclasses
import json

import pytest

from pytest_slm.core.types import Measurement, Metric, MetricSpec, Task
from pytest_slm.errors import BackendError, HostDiedError, NotAvailableError, UsageError


@pytest.fixture
def task(tmp_path):
    """A task of three questions, one of them answered by Paris."""
    lines = [
        {"id": name, "input": f"{name}?", "target": target}
        for name, target in zip("abc", "Paris Rome Oslo".split(), strict=True)
    ]
    (tmp_path / "capitals.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return Task(
        name="capitals",
        suite="geo",
        kind="checks",
        description="",
        primary="exact_match",
        metrics=(MetricSpec(name="exact_match"),),
        scorer="exact",
        version=3,
        options={"samples": "capitals.jsonl"},
        path=str(tmp_path / "capitals.yaml"),
    )


def test_an_item_is_measured_recorded_and_told_where(run, task, item, lines):
    started = run(text="Paris")
    measured = started.measure(task, "", "Q8_0")
    assert (measured.outcome, measured.metric().value, measured.n_scored) == ("passed", pytest.approx(1 / 3), 3)
    assert (measured.version, measured.seed, measured.id) == (3, 7, item)
    assert [line["doc_id"] for line in lines(started.folder("Q8_0") / measured.samples)] == ["a", "b", "c"]


def test_a_result_tells_what_its_suites_score_is_the_mean_of(run, task):
    started = run()
    started.tasks_of["geo"] = ("capitals", "rivers")
    assert started.measure(task, "", "Q8_0").declared.suite_tasks == ("capitals", "rivers")


def test_an_item_opens_its_own_quantization(run, task, in_process, tmp_path):
    (tmp_path / "s.json").write_text("{}")
    hosts = in_process(tmp_path / "s.json")
    run("Q8_0", "Q4_0", hosts=hosts).measure(task, "", "Q4_0")
    assert set(hosts.opened) == {"Q4_0"}


def test_an_engines_error_goes_up(run, task):
    with pytest.raises(BackendError, match="script says"):
        run(rules=[{"contains": "b?", "action": "error"}]).measure(task, "", "Q8_0")


def test_a_timed_result_has_what_was_measured_and_nothing_else(run, item):
    speed = Measurement(name="decode_tps", unit="tok/s", values=(1.0, 2.0))
    metrics = (Metric(name="decode_tps", value=1.5, n=2, unit="tok/s"),)
    timed = run().timed(item, (speed,), metrics, "decode_tps", {"loop": "mine"})
    assert timed.provenance == {"loop": "mine"}
    assert (timed.kind, timed.outcome, timed.measurements, timed.seed) == ("function", "passed", (speed,), 7)
    assert timed.n_scored == 0


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotAvailableError("no data", slug="data-unreachable"), "skipped"),
        (BackendError("broken"), "error"),
        (HostDiedError("killed"), "error"),
        (UsageError("wrong option"), "error"),
        (ZeroDivisionError("division by zero"), "error"),
    ],
)
def test_what_is_missing_is_skipped_and_all_else_is_an_error(run, task, item, error, outcome):
    unmeasured = run().unmeasured(item, error, task=task)
    assert unmeasured.outcome == outcome
    assert unmeasured.metrics == ()
    assert (unmeasured.id, unmeasured.version, unmeasured.kind) == (item, 3, "checks")


def test_the_reason_has_the_slug_or_the_class_of_the_bug(run, item):
    assert run().unmeasured(item, NotAvailableError("no data", slug="data-unreachable")).reason == (
        "no data  [data-unreachable]"
    )
    assert run().unmeasured(item, ZeroDivisionError("division by zero")).reason == "ZeroDivisionError: division by zero"


def test_a_result_names_the_machine_that_the_model_was_on(run, result):
    it = run("Q8_0", "Q4_0")
    backend = it.open("Q8_0")
    measured = result(0.5)
    assert it.judged(measured).machine == backend.machine()["fingerprint"]
    assert it.judged(dataclasses.replace(measured, quantization="Q4_0")).machine is None  # it was never opened
