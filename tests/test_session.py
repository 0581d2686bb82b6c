"""A run without pytest: its folders, its records, its gates, and what it says of items that could not be measured."""

import dataclasses
import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_slm import builtin
from pytest_slm.assembly import unchecked_gates
from pytest_slm.backends.fake import Fake
from pytest_slm.backends.lookup import Backends
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.builtin import check_suites, suites_folder
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import (
    Gate,
    ItemId,
    Measurement,
    Metric,
    MetricSpec,
    Quantization,
    Result,
    Submission,
    Task,
)
from pytest_slm.errors import BackendError, HostDiedError, NotAvailableError, ReportError, UsageError
from pytest_slm.load import load_suite
from pytest_slm.runners.context import SampleRecord
from pytest_slm.scorers import Scorers
from pytest_slm.session import Run

ITEM = ItemId(suite="geo", task="capitals", variant="", quantization="Q8_0")
READ_ONLY = pytest.mark.skipif(
    os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write everywhere"
)


class InProcess:
    """Opens a scripted model in this process, and counts how often."""

    def __init__(self, path):
        self.opened = []
        self._path = path

    def open(self, quantization):
        self.opened.append(quantization)
        return Fake(ModelSpec(path=str(self._path), format="fake"))

    def close(self):
        """Nothing is held."""


@pytest.fixture
def run(tmp_path):
    """``run("Q8_0", "Q4_0", gates={...}, text="Paris")``: a run of a scripted model into ./reports."""

    def make(*names, run_id="r1", hosts=None, gates=None, reports=None, **script):
        path = tmp_path / "script.json"
        path.write_text(json.dumps(script), "utf-8")
        quantizations = tuple(Quantization(name=name, format="fake") for name in names or ("Q8_0",))
        return Run(
            config=RunConfig(
                model="fake", reports=str(reports or tmp_path / "reports"), run_id=run_id, gates=gates or {}, seed=7
            ),
            submission=Submission(slug="fake--model", name="Fake", quantizations=quantizations),
            quantizations=quantizations,
            backends=Backends(),
            scorers=Scorers(),
            hosts=hosts or InProcess(path),
        )

    return make


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


def sample(name, response="Paris"):
    return SampleRecord(
        task="geo/capitals",
        doc_id=name,
        prompt_sha256="",
        target_sha256="",
        response=response,
        score=1.0,
        answer=response,
        explanation="",
    )


def result(value=0.5, *, higher=True, **changes):
    metric = Metric(name="acc", value=value, n=10, interval=(0.2, 0.8), higher_is_better=higher)
    plain = {"outcome": "passed", "metrics": (metric,), "primary": "acc", "mode": "quick", **ITEM.to_json()}
    return Result(**{**plain, **changes})


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# -- folders ------------------------------------------------------------------------------------------------------


def test_each_quantization_has_a_folder_of_its_own(run, tmp_path):
    started = run("Q8_0", "Q4_0")
    started.create_folders()
    for name in ("Q8_0", "Q4_0"):
        assert started.folder(name) == tmp_path / "reports" / "fake--model" / name / "r1"
        assert started.folder(name).is_dir()


def test_two_runs_never_write_into_one_folder(run):
    run().create_folders()
    with pytest.raises(UsageError, match=r"r1: this run id is taken.*--slm-run-id") as caught:
        run().create_folders()
    assert caught.value.slug == "run-id-taken"


def test_of_many_that_start_at_once_one_gets_the_folder(run):
    runs = [run() for _ in range(8)]
    gate, outcomes = threading.Barrier(len(runs)), []

    def start(one):
        gate.wait()
        try:
            one.create_folders()
            outcomes.append("mine")
        except UsageError:
            outcomes.append("taken")

    threads = [threading.Thread(target=start, args=(one,)) for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["mine"] + ["taken"] * 7


@READ_ONLY
def test_a_read_only_folder_is_named_with_the_option(run, tmp_path):
    (tmp_path / "reports").mkdir(mode=0o500)
    with pytest.raises(UsageError, match=r"not writable.*--slm-reports=DIR") as caught:
        run().create_folders()
    assert caught.value.slug == "read-only"


def test_a_folder_that_may_not_be_written_is_named_with_the_option(run, monkeypatch):
    def refuse(self, *_arguments, **_named):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # the real thing is tested above, but not for root
    with pytest.raises(UsageError, match=r"not writable.*--slm-reports=DIR") as caught:
        run().create_folders()
    assert caught.value.slug == "read-only"


def test_a_file_in_the_place_of_the_reports_is_no_run_that_is_going_on(run, tmp_path):
    (tmp_path / "reports").write_text("I am a file")
    with pytest.raises(UsageError, match=r"cannot be written.*--slm-reports=DIR") as caught:
        run().create_folders()
    assert caught.value.slug == "report-write"


def test_a_file_in_the_place_of_a_quantization_is_no_run_that_is_going_on(run, tmp_path):
    (tmp_path / "reports" / "fake--model").mkdir(parents=True)
    (tmp_path / "reports" / "fake--model" / "Q8_0").write_text("I am a file")
    with pytest.raises(UsageError, match=r"cannot be written") as caught:
        run().create_folders()
    assert caught.value.slug == "report-write"


def test_folders_in_which_nothing_was_written_go_away(run, tmp_path):
    started = run("Q8_0", "Q4_0")
    started.create_folders()
    (started.folder("Q8_0") / "samples").mkdir()
    started.drop_empty_folders()
    # the folder of all reports is the user's
    assert [path.name for path in tmp_path.glob("reports/**/*")] == []
    assert (tmp_path / "reports").is_dir()


def test_a_folder_with_a_file_stays(run):
    started = run("Q8_0", "Q4_0")
    started.create_folders()
    started.journal(result())
    started.drop_empty_folders()
    assert (started.folder("Q8_0") / "results.jsonl").is_file()
    assert not started.folder("Q4_0").exists()


# -- records --------------------------------------------------------------------------------------------------------


def test_a_sample_is_in_the_file_as_soon_as_it_is_recorded(run):
    started = run()
    with started.recorder(ITEM) as (record, path):
        record(sample("a"))
        file = started.folder("Q8_0") / path()
        assert [line["doc_id"] for line in lines(file)] == ["a"]  # not closed yet: this is what kill -9 leaves
        record(sample("b"))
        assert [line["doc_id"] for line in lines(file)] == ["a", "b"]
    assert path() == "samples/geo.capitals.jsonl"


def test_an_item_that_starts_again_replaces_its_lines(run):
    started = run()
    for names in ("ab", "c"):
        with started.recorder(ITEM) as (record, path):
            for name in names:
                record(sample(name))
    assert [line["doc_id"] for line in lines(started.folder("Q8_0") / path())] == ["c"]


def test_an_item_that_starts_again_and_fails_at_once_keeps_its_lines(run):
    started = run()
    with started.recorder(ITEM) as (record, path):
        record(sample("a"))
    with pytest.raises(BackendError), started.recorder(ITEM):
        raise BackendError("broken")
    assert len(lines(started.folder("Q8_0") / path())) == 1


def test_what_was_recorded_before_an_error_stays(run):
    started = run()

    def measure(record):
        record(sample("a"))
        raise BackendError("broken")

    with pytest.raises(BackendError), started.recorder(ITEM) as (record, path):
        measure(record)
    assert [line["doc_id"] for line in lines(started.folder("Q8_0") / path())] == ["a"]


def test_without_a_sample_there_is_no_file(run):
    started = run()
    started.create_folders()
    with started.recorder(ITEM):
        pass
    assert [path.name for path in started.folder("Q8_0").rglob("*")] == ["answers", "run.json"]


@pytest.mark.parametrize("text", ["漢字 🙂", "two\nlines", "half a pair \ud83d", "a\u2028b", "\x00"])
def test_any_text_of_a_model_is_one_line(run, text):
    started = run()
    with started.recorder(ITEM) as (record, path):
        record(sample("a", text))
        record(sample("b"))
    content = (started.folder("Q8_0") / path()).read_bytes()
    assert len(content.split(b"\n")) == 3
    first = json.loads(content.split(b"\n")[0])
    assert first["response"] == text


@pytest.mark.parametrize("names", [("a/b", "a b"), ("a:b", "a_b"), ("x" * 200 + "1", "x" * 200 + "2")])
def test_two_variants_have_two_files(run, names):
    started = run()
    for name in names:
        with started.recorder(dataclasses.replace(ITEM, variant=name)) as (record, path):
            record(sample(name))
        assert [line["doc_id"] for line in lines(started.folder("Q8_0") / path())] == [name]
    assert len(list((started.folder("Q8_0") / "samples").iterdir())) == 2


@pytest.mark.parametrize("name", ["../../../evil", "/etc/evil", "a\x00b", "con.", "x" * 500, "漢" * 140])
def test_a_name_cannot_leave_the_folder(run, name):
    started = run()
    with started.recorder(dataclasses.replace(ITEM, variant=name)) as (record, path):
        record(sample("a"))
    (file,) = (started.folder("Q8_0") / "samples").iterdir()
    assert file == started.folder("Q8_0") / path()


def test_a_full_disk_is_told_and_not_swallowed(run, monkeypatch):
    started = run()

    def full(self, *_arguments, **_named):
        raise OSError(28, "No space left on device")

    with started.recorder(ITEM) as (record, _):
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(ReportError, match="the disk is full") as caught:
            record(sample("a"))
    assert caught.value.slug == "disk-full"


def test_the_journal_has_a_line_for_each_result(run):
    started = run()
    started.create_folders()
    started.journal(result())
    started.journal(result(task="rivers"))
    journal = lines(started.folder("Q8_0") / "results.jsonl")
    assert [Result.from_json(line).task for line in journal] == ["capitals", "rivers"]


def test_a_journal_without_its_folder_is_an_error_that_names_it(run):
    with pytest.raises(ReportError, match=r"results\.jsonl"):
        run().journal(result())


# -- items ----------------------------------------------------------------------------------------------------------


def test_an_item_is_measured_recorded_and_told_where(run, task):
    started = run(text="Paris")
    measured = started.measure(task, "", "Q8_0")
    assert (measured.outcome, measured.metric().value, measured.n_scored) == ("passed", pytest.approx(1 / 3), 3)
    assert (measured.version, measured.seed, measured.id) == (3, 7, ITEM)
    assert [line["doc_id"] for line in lines(started.folder("Q8_0") / measured.samples)] == ["a", "b", "c"]


def test_a_result_tells_what_its_suites_score_is_the_mean_of(run, task):
    started = run()
    started.tasks_of["geo"] = ("capitals", "rivers")
    assert started.measure(task, "", "Q8_0").provenance["suite_tasks"] == ["capitals", "rivers"]


def test_an_item_opens_its_own_quantization(run, task, tmp_path):
    (tmp_path / "s.json").write_text("{}")
    hosts = InProcess(tmp_path / "s.json")
    run("Q8_0", "Q4_0", hosts=hosts).measure(task, "", "Q4_0")
    assert set(hosts.opened) == {"Q4_0"}


def test_an_engines_error_goes_up(run, task):
    with pytest.raises(BackendError, match="script says"):
        run(rules=[{"contains": "b?", "action": "error"}]).measure(task, "", "Q8_0")


def test_a_timed_result_has_what_was_measured_and_nothing_else(run):
    speed = Measurement(name="decode_tps", unit="tok/s", values=(1.0, 2.0))
    metrics = (Metric(name="decode_tps", value=1.5, n=2, unit="tok/s"),)
    timed = run().timed(ITEM, (speed,), metrics, "decode_tps", {"profile": "user"})
    assert timed.provenance == {"profile": "user"}
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
def test_what_is_missing_is_skipped_and_all_else_is_an_error(run, task, error, outcome):
    unmeasured = run().unmeasured(ITEM, error, task=task)
    assert unmeasured.outcome == outcome
    assert unmeasured.metrics == ()
    assert (unmeasured.id, unmeasured.version, unmeasured.kind) == (ITEM, 3, "checks")


def test_the_reason_has_the_slug_or_the_class_of_the_bug(run):
    assert run().unmeasured(ITEM, NotAvailableError("no data", slug="data-unreachable")).reason == (
        "no data  [data-unreachable]"
    )
    assert run().unmeasured(ITEM, ZeroDivisionError("division by zero")).reason == "ZeroDivisionError: division by zero"


# -- gates ----------------------------------------------------------------------------------------------------------


def test_without_a_gate_every_score_passes(run):
    assert run().judged(result(0.0)).outcome == "passed"


@pytest.mark.parametrize(("value", "outcome"), [(0.49, "failed"), (0.5, "passed"), (0.51, "passed")])
def test_a_gate_is_the_least_value_that_passes(run, value, outcome):
    assert run(gates={"geo/capitals": 0.5}).judged(result(value)).outcome == outcome


@pytest.mark.parametrize(("value", "outcome"), [(0.51, "failed"), (0.5, "passed"), (0.49, "passed")])
def test_where_lower_is_better_it_is_the_greatest(run, value, outcome):
    assert run(gates={"geo/capitals": 0.5}).judged(result(value, higher=False)).outcome == outcome


def test_a_failed_gate_tells_value_doubt_and_limit(run):
    judged = run(gates={"geo": 0.9}).judged(result(0.5))
    assert judged.reason == "acc 0.500 (n=10, 95 % interval 0.200 to 0.800) is below its gate 0.9"
    assert judged.gate == Gate(metric="acc", limit=0.9)
    assert judged.metrics  # it was measured


def test_a_gate_from_above_says_above(run):
    assert "is above its gate 0.1" in run(gates={"geo": 0.1}).judged(result(0.5, higher=False)).reason


def test_a_gate_on_what_was_not_measured_fails(run):
    # it would pass for ever, and nobody would know
    judged = run().judged(result(0.5, gate=Gate(metric="precision", limit=0.9)))
    assert (judged.outcome, judged.reason) == ("failed", "the gate is on precision, which was not measured")


def test_the_command_lines_gate_comes_before_the_tasks_and_the_tasks_before_the_suites(run):
    own = result(0.5, gate=Gate(metric="acc", limit=0.9))
    assert run().judged(own).outcome == "failed"
    assert run(gates={"geo": 0.1}).judged(own).outcome == "passed"
    assert run(gates={"geo": 0.1, "geo/capitals": 0.8}).judged(own).outcome == "failed"


def test_another_suites_gate_is_not_this_ones(run):
    assert run(gates={"geography": 0.9, "geo/rivers": 0.9}).judged(result(0.5)).outcome == "passed"


@pytest.mark.parametrize("outcome", ["skipped", "error", "not_run"])
def test_what_was_not_measured_is_not_judged(run, outcome):
    nothing = result(metrics=(), outcome=outcome, reason="why")
    judged = run(gates={"geo": 0.9}).judged(nothing)
    assert (judged.outcome, judged.reason) == (outcome, "why")


def test_a_gate_on_a_group_without_a_score_was_not_checked():
    # parts of it are missing: it has numbers, but none of them is its score
    partial = result(primary=None, reason="partial: no data for 1 of the 57 subtasks")
    (line,) = unchecked_gates({"geo": 0.5}, [SimpleNamespace(results=(partial,))])
    assert line.startswith("the gate geo was not checked: geo/capitals[Q8_0] is passed (partial: ")
    judged = result(gate=Gate(metric="acc", limit=0.5))
    assert not unchecked_gates({"geo": 0.5}, [SimpleNamespace(results=(judged,))])


# -- the built-in suites --------------------------------------------------------------------------------------------


def test_the_built_in_suites_are_found():
    names = {path.parent.name for path in suites_folder().glob("*/suite.yaml")}
    assert {"core", "rag", "function_calling", "safety", "performance"} <= names
    assert load_suite(suites_folder() / "core" / "suite.yaml").name == "core"


def test_suites_in_the_installed_package_come_first(tmp_path, monkeypatch):
    package = tmp_path / "pytest_slm"
    for folder in (package / "suites" / "core", tmp_path / "suites" / "core"):
        folder.mkdir(parents=True)
        (folder / "suite.yaml").write_text("suite: core\n")
    monkeypatch.setattr(builtin, "__file__", str(package / "session.py"))
    assert suites_folder() == package / "suites"


def test_a_package_without_suites_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "__file__", str(tmp_path / "pytest_slm" / "session.py"))
    with pytest.raises(UsageError, match="built-in suites are missing") as caught:
        suites_folder()
    assert caught.value.slug == "suites-missing"


@pytest.mark.parametrize("key", ["rag", "rag/niah", "performance/ttft", "function_calling/calls"])
def test_a_suite_and_a_task_of_it_are_known(key):
    check_suites((key,), suites_folder())


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("rga", "unknown suite. Did you mean 'rag'"),
        ("rag/nia", "unknown task. Did you mean 'niah'"),
        ("performance/test_ttft", "unknown task. Did you mean 'ttft'"),
        ("reasonin/arc_challenge", "unknown suite. Did you mean 'reasoning'"),
    ],
)
def test_a_typing_mistake_is_told_with_the_nearest_name(key, told):
    with pytest.raises(UsageError, match=f"--slm-suite={key}: {told}") as caught:
        check_suites(("core", key), suites_folder())
    assert caught.value.slug == "unknown-suite"
