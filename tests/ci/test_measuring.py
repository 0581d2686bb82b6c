"""One job of an order: what it is told, what it is not told, and the energy that it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from pytest_slm.ci import measuring
from pytest_slm.ci.artifacts import Origin
from pytest_slm.ci.github.pulls import offered
from pytest_slm.ci.measuring import JobEnergy, LongMeter, arguments, cleaned, measure
from pytest_slm.ci.orders import read_order, write_order
from pytest_slm.core.record import RecordError
from pytest_slm.errors import SlmError, UsageError
from pytest_slm.load.machines import load_machine
from pytest_slm.machine.energy import EnergyMeter

MACHINE = "machine: {name: lab 1, grid_g_per_kwh: 363, source: the operator's report of 2025, year: 2025}\n"


@pytest.fixture
def order(github, job, tmp_path):
    """The order of a full benchmark, in a folder."""
    write_order(tmp_path / "order", job({}), offered(github, 1), "full-benchmark")
    return tmp_path / "order"


@pytest.fixture
def counter(tmp_path):
    """A RAPL counter in files: ``counter(microjoules)`` sets it."""
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0")
    (zone / "max_energy_range_uj").write_text("1000000")

    def put(value):
        (zone / "energy_uj").write_text(str(value))
        return tmp_path

    put(0)
    return put


def origin(read, **changes):
    known = Origin(repo="team/models", run=55, pull=1, head=read.head, kind="report", quantization="Q8_0")
    return replace(known, **changes)


def test_an_order_is_read_as_it_was_written(order, job, standin):
    read, path = read_order(order, job({}))
    assert (read.mode, read.slug, read.head) == ("full", "tiny", standin.HEAD)
    assert path.read_bytes() == standin.YAML


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"run": 54}, "of run 54"),
        ({"repo": "sam/models"}, "of sam/models"),
        ({"sha256": "0" * 64}, "not the file that was ordered"),
        ({"path": "../../etc/passwd"}, "no order"),
        ({"path": "/etc/passwd"}, "no order"),
        ({"command": "publish-results"}, "no order"),
        ({"head": "main"}, "no order"),
        ({"more": 1}, "no order"),
        ({"slug": "../x"}, "no order"),
    ],
)
def test_an_order_of_something_else_is_refused(order, job, change, why):
    path = order / "order.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UsageError, match=why) as refused:
        read_order(order, job({}))
    assert refused.value.slug == "ci-order"


def test_a_job_measures_everything_of_a_quantization_and_takes_over_what_shards_have(order, job, tmp_path):
    read, path = read_order(order, job({}))
    told = arguments(read, path, origin(read), tmp_path / "out", cells=tmp_path / "cells")
    assert told == [
        *(f"--slm-model={path}", "--slm-quant=Q8_0", "--slm-mode=full", f"--slm-reports={tmp_path}/out/reports"),
        *("-p", "no:cacheprovider", f"--slm-store={tmp_path}/cells"),
    ]


def test_a_shard_measures_what_is_kept_and_no_times(order, job, tmp_path):
    read, path = read_order(order, job({}))
    told = arguments(read, path, origin(read, kind="cells", shard=1), tmp_path / "out", count=3)
    assert f"--slm-store={tmp_path}/out/cells" in told
    assert told[-3:] == ["--slm-shard=2/3", "-m", "not slm_timing"]
    assert f"--slm-reports={tmp_path}/out-part" in told  # not a part of what is handed over


def test_the_measuring_process_gets_no_token_and_no_way_into_later_steps():
    given = {
        **dict.fromkeys(("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "GH_TOKEN"), "x"),
        **dict.fromkeys(("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "INPUT_GITHUB-TOKEN"), "x"),
        **dict.fromkeys(("HF_TOKEN", "MY_SECRET", "NPM_TOKEN", "SLM_API_KEY", "GITHUB_WORKSPACE"), "x"),
        **{"PATH": "/bin", "HF_HOME": "/cache", "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "/s"},
    }
    assert cleaned(given) == {
        name: given[name] for name in ("PATH", "HF_HOME", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
    }


def test_it_is_a_process_of_its_own(monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(
        subprocess, "run", lambda line, **more: started.append((line, more)) or subprocess.CompletedProcess(line, 0)
    )
    assert measure(["--slm-quant=$(id)"], {"GITHUB_TOKEN": "x", "A": "b"}, tmp_path, energy=False) is None
    line, more = started[0]
    assert line == [sys.executable, "-m", "pytest", "--slm-quant=$(id)"]
    assert more == {"env": {"A": "b"}, "check": False}


@pytest.mark.parametrize("code", [0, 1, 5])
def test_items_that_failed_are_in_the_report(tmp_path, code):
    assert measure([], {}, tmp_path, energy=False, runner=lambda *_: code) is None


@pytest.mark.parametrize("code", [2, 3, 4, -9, 137])
def test_a_session_that_ended_in_mid_work_is_an_error(tmp_path, code):
    with pytest.raises(SlmError, match=f"code {code}") as failed:
        measure([], {}, tmp_path, energy=False, runner=lambda *_: code)
    assert failed.value.slug == "ci-measure"


def test_grams_are_told_where_joules_were_read_and_a_grid_declared(counter, tmp_path):
    (tmp_path / "lab.yml").write_text(MACHINE)
    meter = EnergyMeter(root=counter(1_000))

    def run(*_):
        counter(501_000)  # half a joule
        return 0

    energy = measure(
        [], {}, tmp_path / "out", energy=True, machine=load_machine(tmp_path / "lab.yml"), runner=run, meter=meter
    )
    assert energy.joules == 0.5
    assert energy.grams == pytest.approx(0.5 / 3.6e6 * 363)
    assert "g of CO2 at 363 g/kWh (the operator's report of 2025)" in str(energy)
    assert JobEnergy.from_json(json.loads((tmp_path / "out/energy.json").read_text())) == energy


def test_without_a_declaration_there_are_joules_and_no_grams(counter, tmp_path):
    energy = measure([], {}, tmp_path, energy=True, runner=lambda *_: 0, meter=EnergyMeter(root=counter(5)))
    assert energy.joules == 0
    assert energy.grams is None
    assert "no CO2, since the machine declares no grid" in str(energy)


def test_without_a_counter_there_is_a_reason_and_no_number(tmp_path):
    (tmp_path / "lab.yml").write_text(MACHINE)
    meter = EnergyMeter(root=tmp_path)
    energy = measure(
        [], {}, tmp_path, energy=True, machine=load_machine(tmp_path / "lab.yml"), runner=lambda *_: 0, meter=meter
    )
    assert (energy.joules, energy.grams, energy.source) == (None, None, None)
    assert "no RAPL" in str(energy)


def test_a_counter_that_begins_anew_is_read_in_between(counter):
    # a range of one joule, and 2.4 J used in steps that the watching thread sees
    with LongMeter(EnergyMeter(root=counter(0)), every_s=3600) as looks:
        for value in (800_000, 599_999, 400_000):
            counter(value)
            looks._take()
            looks._meter.start()
    assert looks.joules == pytest.approx(2.400001)


def test_a_counter_that_was_lost_is_no_number(counter, tmp_path):
    with LongMeter(EnergyMeter(root=counter(0)), every_s=3600) as looks:
        counter("broken")
        looks._take()
    assert looks.joules is None


@pytest.mark.parametrize(
    "wrong", [{"joules": 1.0, "reason": "x"}, {}, {"joules": -1.0}, {"seconds": -1.0, "reason": "x"}]
)
def test_energy_is_a_number_or_a_reason(wrong):
    with pytest.raises(RecordError):
        JobEnergy(**{"seconds": 1.0, **wrong})


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("363", "-1", "whole number of at least 1"),
        ("363", "9000", "no grid emits more"),
        ("363", ".nan", "not a finite number"),
        (", year: 2025}", "}", "missing key"),
        ("source: the operator's report of 2025, ", "", "missing key"),
        ("grid_g", "grid_kg", "Did you mean 'grid_g_per_kwh'"),
        ("name: lab 1", 'name: "a\\nb"', "visible characters"),
    ],
)
def test_a_declaration_is_whole_and_possible(tmp_path, old, new, why):
    (tmp_path / "lab.yml").write_text(MACHINE.replace(old, new))
    with pytest.raises(UsageError, match=why):
        load_machine(tmp_path / "lab.yml")


def test_the_step_measures_and_packs(step, order, tmp_path, monkeypatch, capsys):
    def run(told, environment):
        assert "GITHUB_TOKEN" not in environment
        folder = tmp_path / "out/reports/tiny/Q8_0/r1"
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(told))
        return 0

    monkeypatch.setattr(measuring, "_in_a_process", run)
    monkeypatch.setattr(measuring, "EnergyMeter", lambda: EnergyMeter(root=tmp_path))
    given = ["--order", str(order), "--output", str(tmp_path / "out"), "--quantization", "Q8_0"]
    assert step("measure", *given, "--", "--slm-suite=core") == 0
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert list(manifest["files"]) == ["energy.json", "reports/tiny/Q8_0/r1/report.json"]
    assert manifest["origin"] | {"head": ""} == {
        **{
            "repo": "team/models",
            "run": 55,
            "pull": 1,
            "head": "",
            "kind": "report",
            "quantization": "Q8_0",
            "shard": 0,
        }
    }
    assert json.loads((tmp_path / "out/reports/tiny/Q8_0/r1/report.json").read_text())[-1] == "--slm-suite=core"
    assert "energy was not measured: no RAPL" in capsys.readouterr().out
    assert "GITHUB_TOKEN" in os.environ  # the step's own environment is not touched


def test_a_quantization_that_is_a_path_is_refused(step, order, tmp_path):
    given = ["--order", str(order), "--output", str(tmp_path / "out")]
    assert step("measure", *given, "--quantization", "../Q8_0") == 4


def test_only_what_measures_is_ordered(github, job, tmp_path):
    with pytest.raises(UsageError, match="nothing to measure"):
        write_order(tmp_path, job({}), offered(github, 1), "publish-results")
    assert list(tmp_path.glob("order*")) == []


def test_kilograms_are_told_in_grams_and_not_in_powers_of_ten():
    energy = JobEnergy(seconds=9e5, joules=1e8, source="RAPL", grid_g_per_kwh=363.0, grid_source="its operator")
    assert ", 10083 g of CO2 at 363 g/kWh" in str(energy)
