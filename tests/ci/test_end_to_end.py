"""From a pull request to a published row: all steps of the workflows, on a GitHub and a git of this machine.

The model is scripted. A registry takes no scripted models, so the engine here says another name.
"""

from __future__ import annotations

import json
from functools import partial

import pytest
from slm_github_standin import git

from pytest_slm.api import plan
from pytest_slm.backends.lookup import Backends
from pytest_slm.ci import measuring
from pytest_slm.registry.folder import check_registry, read_registry

ENGINE = """
import json
from dataclasses import replace
from pathlib import Path

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.files import sha256_of


class Scripted(Fake):
    def __init__(self, spec):
        script = Path(__file__).with_suffix(".json")
        super().__init__(replace(spec, path=str(script)))
        self.files = [Path(spec.path)]

    def describe(self):
        return replace(super().describe(), name="scripted", weights_sha256=sha256_of(self.files))
"""
TWO = b'    - {name: F16, format: gguf, source: "pkg:tiny-model", file: tiny-F16.gguf}\n'
ITEMS = "core/arithmetic,core/math"


@pytest.fixture
def engine(tiny_package, monkeypatch):
    """GGUF files are answered for by a script."""
    (tiny_package / "slm_scripted_engine.py").write_text(ENGINE)
    (tiny_package / "slm_scripted_engine.json").write_text(json.dumps({"text": "7", "vocab_size": 1000}))
    real = Backends.__init__

    def with_it(self):
        real(self)
        self.register("scripted", "slm_scripted_engine:Scripted", formats=("gguf",))

    monkeypatch.setattr(Backends, "__init__", with_it)


@pytest.fixture
def sessions(session, monkeypatch):
    """Sessions that jobs start are in this process, and few questions are asked."""
    told = []

    def run(arguments, environment):
        assert not any(name.endswith("TOKEN") for name in environment)
        told.append(list(arguments))
        return int(session(*arguments, f"--slm-suite={ITEMS}", "--slm-limit=2", "--slm-canary=off").ret)

    monkeypatch.setattr(measuring, "_in_a_process", run)
    # a script knows no order of words, which is looked at before it counts
    monkeypatch.setattr("pytest_slm.api.plan", partial(plan, canary="off", limit=2))
    return told


def test_from_a_pull_request_to_a_published_row(
    step, hosted, standin, main, engine, sessions, zipped, outputs, tmp_path, monkeypatch, requested, capsys
):
    monkeypatch.chdir(tmp_path)
    hosted.pull(content=standin.YAML + TWO)

    def taken():
        found = outputs()
        (tmp_path / "output").unlink()
        return found

    # submission.yml: look, then tell
    opened = {"event": {"pull_request": {"number": 1}}, "name": "pull_request_target"}
    assert step("submission", "--output", "look", "--offline", **opened) == 0
    said = taken()
    assert said["state"] == "success"
    assert step("comment", "look/comment.md", "--subject", "submission", **opened) == 0
    head = ("--head", standin.HEAD)
    assert step("status", *head, "--context", "submission", "--state", said["state"], **opened) == 0

    # benchmark.yml: /full-benchmark, a matrix with two shards for each quantization
    asked = {"event": hosted.event(hosted.say("/full-benchmark"))}
    hosted.run(55, conclusion=None)
    assert step("command", "--output", "order", **asked) == 0
    assert taken()["command"] == "full-benchmark"
    order = ("--order", "order")
    assert step("matrix", *order, "--minutes", "0.0000001", "--suite", ITEMS, "--offline", **asked) == 0
    planned = taken()
    shards, quantizations = json.loads(planned["shards"]), json.loads(planned["quantizations"])
    assert [(one["quantization"], one["count"]) for one in quantizations] == [("Q8_0", 2), ("F16", 2)]
    for part in shards:
        place = f"part-{part['id']}-{part['index']}"
        shard = ("--shard", f"{part['index'] + 1}/{part['count']}")
        assert step("measure", *order, "--output", place, "--quantization", part["quantization"], *shard, **asked) == 0
        hosted.upload(55, f"slm-cells-{part['id']}-{part['index']}", zipped(tmp_path / place))
    for part in quantizations:
        name, cells, place = part["quantization"], f"cells-{part['id']}", f"report-{part['id']}"
        more = ("--cells", name, "--shards", str(part["count"]))
        assert step("collect", *order, "--output", cells, *more, **asked) == 0
        assert step("measure", *order, "--output", place, "--quantization", name, "--cells", cells, **asked) == 0
        hosted.upload(55, f"slm-report-{part['id']}", zipped(tmp_path / place))
    assert len(sessions) == 6
    # what shards have measured is not measured again
    reports = [
        json.loads(path.read_text())["slm"] for path in sorted(tmp_path.glob("report-*/reports/*/*/*/report.json"))
    ]
    assert [len(report["results"]) for report in reports] == [2, 2]
    assert all(result["taken_over"] for report in reports for result in report["results"])
    assert step("collect", *order, "--output", "results", "--expected", planned["count"], **asked) == 0
    assert taken() == {"state": "success", "line": "2 of 2 quantizations measured"}
    assert step("comment", "results/comment.md", "--subject", "results", **asked) == 0
    assert step("status", *head, "--context", "full-benchmark", "--state", "success", **asked) == 0
    hosted.run(55)

    # /publish-results, in a run of its own
    asked = {"event": hosted.event(hosted.say("/publish-results")), "GITHUB_RUN_ID": "56"}
    assert step("command", "--output", "order-2", **asked) == 0
    said = taken()
    assert (said["command"], said["measured"]) == ("publish-results", "55")
    given = ("--repository", "results-main", "--site", "public", "--branch", "main")
    (tmp_path / "results").rename(tmp_path / "collected")
    git(tmp_path, "clone", "--quiet", str(main), "results-main")
    assert step("publish", *given, "--head", said["head"], "--measured", said["measured"], **asked) == 0
    assert taken()["commit"] == git(main, "rev-parse", "main")
    git(tmp_path, "clone", "--quiet", "--branch", "main", str(main), "seen")
    assert not check_registry(tmp_path / "seen/registry")
    (model,) = read_registry(tmp_path / "seen/registry").models
    assert (model.name, sorted(model.quantizations)) == ("Tiny", ["F16", "Q8_0"])
    assert "Tiny" in (tmp_path / "public/index.html").read_text()

    comments = [one["body"].partition("\n")[0] for one in hosted.comments.values() if one["user"] == standin.BOT]
    assert comments == ["<!-- pytest-slm:submission -->", "<!-- pytest-slm:results -->"]
    states = [(one["context"], one["state"]) for one in reversed(hosted.statuses[standin.HEAD])]
    assert states == [("pytest-slm/submission", "success"), ("pytest-slm/full-benchmark", "success")]
    assert "ghs_" not in "".join(capsys.readouterr())
