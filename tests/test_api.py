"""``pytest_slm.measure``: the command line as a function, in the same process and without a trace in it."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

import pytest_slm
from pytest_slm.core.types import RunReport, Verdict
from pytest_slm.errors import SlmError, UsageError
from pytest_slm.registry.store import read_report

pytestmark = pytest.mark.slow

PAIRS = [("Capital of France?", "Paris"), ("Capital of Peru?", "Lima")]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, short_sessions):
    """A folder of its own, in which reports are written."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def capitals(here):
    """A suite of a user's own."""
    folder = here / "capitals"
    (folder / "data").mkdir(parents=True)
    (folder / "suite.yaml").write_text("suite: capitals\ntasks: [cities]\n")
    (folder / "cities.yaml").write_text(
        "kind: checks\nrequires: [chat]\nscorer: contains\nmetrics: [right]\n"
        "options: {samples: data/cities.jsonl, max_tokens: 8}\n"
    )
    lines = [json.dumps({"id": str(n), "input": asked, "target": right}) for n, (asked, right) in enumerate(PAIRS)]
    (folder / "data" / "cities.jsonl").write_text("\n".join(lines))
    return folder


@pytest.mark.subprocess("model")
def test_a_suite_of_ones_own_is_measured_and_reported(capitals, here, script):
    report = pytest_slm.measure(script(text="Paris"), paths=[capitals])
    assert isinstance(report, RunReport)
    (result,) = report.results
    assert (str(result.id), result.outcome, result.metric().value, result.metric().n) == (
        "capitals/cities[scripted]",
        "passed",
        0.5,
        2,
    )
    assert (report.mode, report.complete, report.backend.name) == ("quick", True, "fake")
    (path,) = here.glob("reports/fake/scripted/*/report.json")
    assert read_report(path) == report


def test_built_in_suites_are_chosen_by_name(here):
    report = pytest_slm.measure("fake", suites=["core/arithmetic"], limit=3, reports=here / "elsewhere", seed=7)
    (result,) = report.results
    assert (result.suite, result.task, result.n_scored, result.seed, report.limit) == ("core", "arithmetic", 3, 7, 3)
    assert list(here.glob("elsewhere/*/*/*/report.json"))


def test_an_object_with_hooks_is_a_plugin(capitals):
    class Mine:
        def pytest_slm_register_scorers(self, register):
            register("anything", lambda sample, generation: Verdict(value=1.0, answer="", explanation=""))

    task = capitals / "cities.yaml"
    task.write_text(task.read_text().replace("contains", "anything"))
    report = pytest_slm.measure("fake", paths=[capitals], plugins=[Mine()])
    assert report.results[0].metric().value == 1.0


def test_an_item_that_cannot_be_measured_is_in_the_report_and_raises_nothing(capitals, script):
    report = pytest_slm.measure(script(rules=[{"contains": "Peru", "action": "error"}]), paths=[capitals])
    (result,) = report.results
    assert (result.outcome, result.metrics) == ("error", ())
    assert result.reason.endswith("[scripted]")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"treads": 2}, "measure() has no argument 'treads'. Did you mean 'threads'?"),
        ({"suites": ["cor"]}, "--slm-suite=cor: unknown suite. Did you mean 'core'?  [unknown-suite]"),
        ({"threads": 0}, "--slm-threads=0: must be above 0"),
        ({"mode": "quik"}, "--slm-mode: invalid choice: 'quik'"),
        ({"backend": "fakee"}, "--slm-backend=fakee: unknown backend. Did you mean 'fake'?  [unknown-backend]"),
    ],
    ids=["argument", "suite", "value", "mode", "backend"],
)
def test_wrong_arguments_are_usage_errors_with_the_near_word(here, arguments, told):
    with pytest.raises(UsageError) as raised:
        pytest_slm.measure("fake", **arguments)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(here.glob("reports/**/report.json"))


def test_a_message_has_no_colours_where_a_notebook_asks_pytest_for_them(here, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(UsageError) as caught:
        pytest_slm.measure("nowhere.gguf")
    assert caught.value.slug == "unknown-model"
    assert caught.value.args[0].startswith("nowhere.gguf: no such file")


def test_several_quantizations_at_once_have_no_single_report(capitals, script):
    model = script(quantizations=["Q4_0", "Q8_0"], text="Paris")
    with pytest.raises(SlmError, match="2 reports were made; measure one quantization at a time"):
        pytest_slm.measure(model, paths=[capitals], quant="all")


@pytest.mark.subprocess("model")
def test_a_second_call_knows_nothing_of_the_first(capitals, here, script):
    (here / "conftest.py").write_text(
        "def pytest_slm_register_scorers(register):\n    register('mine', 'pytest_slm.scorers.match:contains')\n"
    )
    first = pytest_slm.measure(script(text="Paris"), paths=[capitals])
    second = pytest_slm.measure(script(text="London"), paths=[capitals])
    assert (first.results[0].metric().value, second.results[0].metric().value) == (0.5, 0.0)
    assert first.run_id != second.run_id


def test_settings_and_conftests_of_other_folders_are_left_alone(capitals, here):
    (here.parent / "conftest.py").write_text("raise RuntimeError('not asked')\n")
    (here / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    assert pytest_slm.measure("fake", paths=[capitals]).complete


def test_the_session_around_it_is_not_disturbed(capitals, pytestconfig, capsys):
    def state():
        loose = {name for name in sys.modules if name.startswith(("conftest", "capitals"))}
        outer = (pytestconfig.pluginmanager.list_name_plugin(), pytestconfig.args, pytestconfig.option.__dict__.copy())
        return Path.cwd(), sys.path[:], loose, outer, signal.getsignal(signal.SIGTERM), sys.stdout, sys.stderr

    environment, before = dict(os.environ), state()
    pytest_slm.measure("fake", paths=[capitals])
    assert state() == before
    assert {key: value for key, value in os.environ.items() if environment.get(key) != value} == {}
    assert capsys.readouterr() == ("", "")
    assert not pytestconfig.pluginmanager.has_plugin("slm-active")


def test_what_pytest_prints_is_shown_if_asked(capitals, capsys):
    pytest_slm.measure("fake", paths=[capitals], quiet=False)
    assert "capitals/cities" in capsys.readouterr().out
