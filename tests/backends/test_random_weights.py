"""Weights that have learned nothing: an error, or measured because they are meant."""

import json


def test_random_weights_are_stopped_unless_they_are_meant(pytester, tiny_gguf):
    path = tiny_gguf()
    arguments = (f"--slm-model={path}", "--slm-suite=core/reasoning", "--slm-limit=1", "--slm-threads=1")
    done = pytester.runpytest(*arguments)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*core/reasoning* error: the model *canary*"])
    done = pytester.runpytest(*arguments, "--slm-canary=off")
    done.assert_outcomes(passed=1)
    reports = [json.loads(path.read_text("utf-8"))["slm"] for path in pytester.path.glob("reports/*/*/*/report.json")]
    assert sorted(report["results"][0]["canary"] for report in reports) == [False, True]
