"""Items that measure time in a session: what they tell, pytest-benchmark's own features, several quantizations."""

import json

import psutil
import pytest

from pytest_slm.errors import BackendError
from pytest_slm.hosts.process import HostProcess
from pytest_slm.machine.quiet import Quiet
from pytest_slm.performance import Prefill

STEADY = {"pace_s": [0.01], "text": "a b c"}
LITTLE = psutil.virtual_memory()._replace(available=100)
UNSTEADY = {"pace_s": [0.01, 0.02], "text": "a b c"}
ONE = "--slm-suite=performance/prefill"
USER = "--slm-suite=performance/decode,performance/ttft"


def values(document, task):
    """Measurements of a task by name."""
    (found,) = [result for result in document["slm"]["results"] if result["task"] == task]
    return {measurement["name"]: measurement for measurement in found["measurements"]}


def test_the_quick_suite_has_both_profiles_and_says_how_sure_it_is(run, report, results):
    done = run("--slm-suite=performance", **STEADY, buffers={"weights": 1000, "kv_cache": 50})
    done.assert_outcomes(passed=6, warnings=None)
    found = results(report())
    profiles = {name: result["timing"] and result["timing"]["profile"] for name, result in found.items()}
    assert profiles == {
        "performance/decode[100]": "user",
        "performance/ttft[512]": "user",
        "performance/prefill[512]": "engine",
        "performance/generate[128]": "engine",
        "performance/load[warm]": "engine",
        "performance/memory": None,
    }
    for name in ("decode[100]", "ttft[512]", "prefill[512]", "generate[128]"):
        result = found[f"performance/{name}"]
        assert result["timing"]["rounds_reason"] == "interval within 2 %"
        # whatever else this machine does, it may be told as a disturbance; that the rounds disagree may not
        assert "disagree" not in result["timing"]["reason"]
        (primary,) = [metric for metric in result["metrics"] if metric["name"] == result["primary"]]
        assert primary["interval"] is not None
    decode = values(report(), "decode")
    assert set(decode) >= {"decode_tps", "tpot", "e2e_tps"}
    assert decode["decode_tps"]["values"] == pytest.approx([100.0] * 6)
    metrics = {metric["name"] for metric in found["performance/decode[100]"]["metrics"]}
    assert metrics == {"decode_tps", "itl_p50", "itl_p95", "itl_p99"}
    memory = {name: entry["values"][0] for name, entry in values(report(), "memory").items()}
    assert memory["weights"] == 1000
    assert memory["peak_rss_2k"] >= memory["rss_before_load"] > 0  # a process of tests has had its peak before
    assert "compute_buffers" not in memory  # the engine did not tell
    assert "compute_buffers" in found["performance/memory"]["provenance"]["absent"]


def test_rounds_that_disagree_are_told_as_noisy(run, report, results):
    run(ONE, **UNSTEADY).assert_outcomes(passed=1)
    (result,) = report()["slm"]["results"]
    assert result["timing"]["verdict"] == "noisy"
    assert result["timing"]["reason"]
    assert result["timing"]["rounds_reason"] == "round limit"
    assert len(result["measurements"][0]["values"]) == 30


@pytest.mark.subprocess("model")
def test_load_and_memory_are_of_fresh_processes(run, report, monkeypatch):
    starts, start = [], HostProcess.__init__

    def counted(self, *arguments, **named):
        starts.append(self)
        start(self, *arguments, **named)

    monkeypatch.setattr(HostProcess, "__init__", counted)
    run("--slm-suite=performance/memory,performance/load", **STEADY).assert_outcomes(passed=2)
    loads = values(report(), "load")["load_s"]
    n = len(loads["values"]) + len(loads["warmups"])
    # one for the session, one for the memory, one for each load
    assert len(starts) == 2 + n


def test_a_backend_without_timing_keeps_the_profile_user(run, report, results):
    run("--slm-suite=performance/prefill,performance/decode", **STEADY, capabilities=["chat", "generate"])
    found = results(report())
    assert found["performance/decode[100]"]["outcome"] == "passed"
    assert found["performance/prefill[512]"]["outcome"] == "skipped"
    assert "no-timing" in found["performance/prefill[512]"]["reason"]


@pytest.mark.subprocess("model")
def test_a_crash_in_a_round_is_an_error_without_numbers(run, report, results):
    run("--slm-suite=performance/prefill,performance/decode", **STEADY, timing="crash")
    found = results(report())
    assert found["performance/prefill[512]"]["outcome"] == "error"
    assert not found["performance/prefill[512]"]["measurements"]
    assert found["performance/decode[100]"]["outcome"] == "passed"


# -- pytest-benchmark -----------------------------------------------------------------------------------------------


def test_its_json_has_the_times_of_the_models_process(run, report, pytester):
    done = run(ONE, "--benchmark-json=bench.json", **STEADY)
    done.assert_outcomes(passed=1)
    assert "benchmark 'prefill'" in done.stdout.str()
    (entry,) = json.loads((pytester.path / "bench.json").read_text())["benchmarks"]
    ours = values(report(), "prefill")["prefill_tps"]
    assert entry["stats"]["rounds"] == len(ours["values"]) == 6
    assert entry["stats"]["data"] == pytest.approx([512 / tps for tps in ours["values"]])
    assert entry["stats"]["median"] == pytest.approx(5.12)  # nobody has waited for that
    assert entry["group"] == "prefill"
    assert entry["extra_info"]["profile"] == "engine"
    assert entry["extra_info"]["rounds_reason"] == "interval within 2 %"


def test_its_tables_are_for_those_who_ask_for_something_of_it(run):
    done = run(ONE, **STEADY)
    done.assert_outcomes(passed=1)
    assert "benchmark 'prefill'" not in done.stdout.str()


def test_it_compares_two_runs(run):
    run(ONE, "--benchmark-autosave", **STEADY).assert_outcomes(passed=1)
    slower = {**STEADY, "pace_s": [0.02]}
    same = run(ONE, "--benchmark-compare", "--benchmark-compare-fail=median:50%", **STEADY)
    same.assert_outcomes(passed=1)
    assert same.ret == 0
    other = run(ONE, "--benchmark-compare", "--benchmark-compare-fail=median:50%", **slower)
    assert other.ret != 0
    other.stderr.fnmatch_lines(["*Performance has regressed*"])


def test_it_draws_histograms(run, pytester):
    pytest.importorskip("pygal", reason="needs pytest-benchmark[histogram]")
    run(ONE, "--benchmark-histogram=bench", **STEADY).assert_outcomes(passed=1)
    assert list(pytester.path.glob("bench*.svg"))


@pytest.mark.parametrize("without", ["--benchmark-disable", "-p no:benchmark"])
def test_our_rounds_do_not_need_it(run, report, without):
    run(ONE, *without.split(), "--strict-markers", **STEADY).assert_outcomes(passed=1)
    assert values(report(), "prefill")["prefill_tps"]["values"] == pytest.approx([100.0] * 6)


# -- several quantizations ------------------------------------------------------------------------------------------


@pytest.fixture
def documents(pytester):
    """Reports by quantization."""

    def read():
        paths = pytester.path.glob("reports/*/*/*/report.json")
        found = {path.parts[-3]: json.loads(path.read_text("utf-8")) for path in paths}
        return {name: document["slm"] for name, document in found.items()}

    return read


def test_all_quantizations_are_measured_in_one_session_one_after_the_other(run, documents):
    done = run(USER, "--slm-quant=all", **STEADY, quantizations=["A", "B"])
    done.assert_outcomes(passed=4)
    found = documents()
    assert set(found) == {"A", "B"}
    for report in found.values():
        assert {result["task"] for result in report["results"]} == {"decode", "ttft"}
        assert all(not result["timing"].get("interleaved") for result in report["results"])


def test_rounds_alternate_on_request(run, documents):
    # one pace for each call: both models say it in the same order, so that alternating shows in nothing but the note
    done = run(ONE, "--slm-quant=all", "--slm-interleave", **STEADY, quantizations=["A", "B"])
    done.assert_outcomes(passed=2)
    for name, report in documents().items():
        (result,) = report["results"]
        assert result["quantization"] == name
        assert result["timing"]["interleaved"] == ["A", "B"]
        assert len(result["measurements"][0]["values"]) >= 6


@pytest.mark.subprocess("model")
def test_a_quantization_that_fails_does_not_end_the_other(run, documents, monkeypatch):
    played, pids = Prefill.run, []

    def play(self):
        pid = self.observed.host.pid
        if pid not in pids:
            pids.append(pid)
        if pids[1:] == [pid]:
            raise BackendError("lost", slug="host-died")
        return played(self)

    monkeypatch.setattr(Prefill, "run", play)
    run(ONE, "--slm-quant=all", "--slm-interleave", **STEADY, quantizations=["A", "B"])
    outcomes = {name: report["results"][0]["outcome"] for name, report in documents().items()}
    assert outcomes == {"A": "passed", "B": "error"}


def test_interleaving_one_quantization_is_refused(run):
    done = run(ONE, "--slm-interleave", **STEADY)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*there is one*interleave-alone*"])


@pytest.mark.parametrize(
    ("place", "short"),
    [
        ("psutil.virtual_memory", lambda: LITTLE),
        (
            "pytest_slm.plugin.stopwatch.usable_memory",
            lambda: 100,
        ),  # a control group allows less than the machine has free
    ],
    ids=["machine", "control group"],
)
def test_interleaving_what_does_not_fit_is_refused(run, monkeypatch, place, short):
    monkeypatch.setattr(place, short)
    done = run(ONE, "--slm-quant=all", "--slm-interleave", **STEADY, quantizations=["A", "B"])
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*2 models in memory*interleave-memory*"])


# -- a busy machine -------------------------------------------------------------------------------------------------


def test_a_busy_machine_is_warned_of_and_told(run, report, monkeypatch):
    busy = Quiet(waited_s=5.0, foreign_cores=1.5, quiet=False)
    monkeypatch.setattr("pytest_slm.plugin.stopwatch.wait_until_quiet", lambda *_, **__: busy)
    done = run(ONE, **STEADY)
    done.assert_outcomes(passed=1, warnings=1)
    done.stdout.fnmatch_lines(["*other programs take 1.5 cores*"])
    (result,) = report()["slm"]["results"]
    assert result["provenance"]["quiet"] == {"waited_s": 5.0, "foreign_cores": 1.5, "quiet": False}


def test_all_parts_of_a_split_model_are_its_files(tmp_path):
    from pytest_slm.plugin.stopwatch import weight_files

    parts = tuple(tmp_path / f"m-0000{part}-of-00002.gguf" for part in (1, 2))
    for part in parts:
        part.write_bytes(b"GGUF")
    assert weight_files(parts[0]) == parts
