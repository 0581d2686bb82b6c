"""The memory calculator beside the peaks that the reports of this repository have: each within what its page says.

What is compared is what nobody measured with it: KV cache, compute buffers, vocabulary and program by their formulas.
The weights are those that the engine says it has opened (copies in another order included), as for a measured file of
the calculator; that its reader of headers counts the same is tested where the file is at hand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_slm.core.footprint import PROGRAM, logits_bytes, padded, vocabulary_bytes
from pytest_slm.site.tools.pages import WITHIN, tools_pages

REPORTS = Path(__file__).parents[3] / "reports"
CONTEXT = 2048
MERGES_FROM = 30
"""Bytes of a file that are no weights, for each word: a vocabulary has 21 to 25 without merges, and 34 and more with
them (twelve files of llama.cpp's and two models)."""


@dataclass(frozen=True)
class Peak:
    """What a report says of one file."""

    name: str
    measured: float
    computed: float

    @property
    def off(self) -> float:
        return self.computed / self.measured - 1


def peak_of(document) -> Peak | None:
    """None where the report has no peak with 2,048 tokens, or was not made by llama.cpp on a CPU."""
    backend, found = document["backend"], document["detected"]
    results = [one for one in document["results"] if (one["suite"], one["task"]) == ("performance", "memory")]
    told = {one["name"]: one["values"][0] for result in results for one in result["measurements"]}
    if "peak_rss_2k" not in told or backend["engine"] != "llama.cpp" or backend["device"] is not None:
        return None
    header = (backend["file_bytes"] - backend["weights_bytes"]) / backend["vocab_size"]
    parts = (
        told["weights"],
        backend["kv_bytes_per_token"] * padded(CONTEXT),
        logits_bytes(
            backend["vocab_size"], found["hidden_size"], batch=backend["n_ubatch"], outputs=backend["n_outputs"]
        ),
        vocabulary_bytes(backend["vocab_size"], merges=header > MERGES_FROM),
        PROGRAM,
    )
    return Peak(f"{document['submission']['name']} {document['quantization']}", told["peak_rss_2k"], sum(parts))


def test_the_calculator_is_within_a_tenth_of_every_measured_peak(record_property):
    documents = [json.loads(path.read_text("utf-8"))["slm"] for path in sorted(REPORTS.rglob("report.json"))]
    with_peaks = [one for one in documents if "peak_rss_2k" in json.dumps(one["results"])]
    if not with_peaks:
        pytest.skip("no report in reports/ has a peak of memory: it takes a run with --slm-suite=performance")
    found = [peak for one in with_peaks if (peak := peak_of(one))]
    assert found, "reports with peaks, and none that can be compared"
    worst = max(found, key=lambda one: abs(one.off))
    record_property("worst", f"{worst.name}: {worst.off:+.1%}")
    print(f"{len(found)} peaks, the worst {worst.name}: {worst.off:+.1%}")
    assert {one.name: f"{one.off:+.1%}" for one in found if abs(one.off) > WITHIN} == {}


BACKEND = {
    "engine": "llama.cpp",
    "device": None,
    "file_bytes": 98_362_432,
    "weights_bytes": 96_576_768,
    "vocab_size": 49_152,
    "kv_bytes_per_token": 23_040,
    "n_ubatch": 512,
    "n_outputs": 256,
}


def document(peak, **backend):
    """A report of SmolLM2-135M in Q4_1, whose numbers were measured, with another peak."""
    measurements = [{"name": "peak_rss_2k", "values": [peak]}, {"name": "weights", "values": [96_573_850.0]}]
    return {
        "backend": BACKEND | backend,
        "detected": {"hidden_size": 576},
        "quantization": "Q4_1",
        "submission": {"name": "SmolLM2"},
        "results": [{"suite": "performance", "task": "memory", "measurements": measurements}],
    }


def test_a_peak_that_is_another_is_told():
    assert abs(peak_of(document(271_790_080)).off) < 0.02
    assert abs(peak_of(document(320_000_000)).off) > WITHIN
    assert peak_of(document(271_790_080, engine="ik_llama.cpp")) is None
    assert peak_of(document(271_790_080, device="CUDA0")) is None
    other = peak_of(document(271_790_080, file_bytes=96_576_768 + 20 * 49_152))
    assert other.computed < peak_of(document(1)).computed  # without merges the tables are smaller


def test_the_pages_say_how_near_the_test_holds_them_and_no_figures_of_some_day(words):
    pages = tools_pages([])
    for name in ("memory", "hardware"):
        text = words(pages[f"tools/{name}.html"])
        assert f"passes only while each of them is within {100 * WITHIN:.0f} %." in text
        assert "Seven runs" not in text
        assert text.count("GB here are 10⁹ bytes") == 1
