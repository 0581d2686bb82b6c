"""``pytest-slm fleet`` on the command line: what it asks of a cluster, and what it says at the end."""

from __future__ import annotations

import json
import sys

import pytest

from pytest_slm.cli.main import main
from pytest_slm.fleet.driver import FleetResult
from pytest_slm.fleet.scheduler import SkippedCell


class Idle:
    """A cluster that is there, and that nobody asks."""

    open_dashboard = ""
    stopped = 0

    def __init__(self, address):
        self.address = address

    def stop(self):
        Idle.stopped += 1


@pytest.fixture
def asked(monkeypatch, script, tmp_path):
    """Runs the command with an outcome that is given: its exit code, and what the driver got."""

    def run(*arguments, left_out=(), noisy=(), dashboard=""):
        seen = {}

        class Driver:
            def __init__(self, cluster, jobs, store, *, limits, tell):
                seen.update(cluster=cluster, jobs=jobs, store=store, limits=limits)

            def run(self):
                where = {("fake scripted", "core/sums[scripted]"): "m1"}
                return FleetResult(
                    before=2, where=where, left_out=left_out, noisy=noisy, retries=1, loads={("g", "n"): 1}, seconds=3.0
                )

        monkeypatch.setattr("pytest_slm.fleet.driver.Driver", Driver)
        monkeypatch.setattr("pytest_slm.fleet.rays.RayCluster", Idle)
        monkeypatch.setattr(Idle, "open_dashboard", dashboard)
        code = main(["fleet", script(text="a"), f"--slm-store={tmp_path / 'cells'}", *arguments])
        return code, seen

    return run


def test_what_was_asked_for_goes_to_every_session(asked, tmp_path, capsys):
    code, seen = asked(
        *("--address=1.2.3.4:6379", "--suite=core", "--mode=full", "--limit=3", "--offline", "--option=--slm-exact"),
        *(f"--data={tmp_path}", f"--path={tmp_path}", "--lanes=2", "--retries=0"),
    )
    assert code == 0
    ((job, _),) = seen["jobs"].values()
    assert job.options == (
        *(
            "--slm-mode=full",
            "--slm-suite=core",
            "--slm-limit=3",
            f"--slm-data={tmp_path}",
            "--slm-offline",
            "--slm-exact",
        ),
    )
    assert (job.paths, seen["cluster"].address) == ((str(tmp_path),), "1.2.3.4:6379")
    assert (seen["limits"].lanes, seen["limits"].failures) == (2, 0)
    assert "2 cells were there, 1 measured, 0 left out; 1 loads, 1 retries, 3 s" in capsys.readouterr().out


def test_what_was_left_out_is_told_and_the_code_is_1(asked, capsys):
    before = Idle.stopped
    left_out = [SkippedCell(group="fake scripted", item="", reason="no node is left")]
    assert asked(left_out=left_out, noisy=["g t: busy"])[0] == 1
    told = capsys.readouterr().err
    assert "not measured: fake scripted (all of it): no node is left" in told
    assert "noisy: g t: busy" in told
    assert Idle.stopped == before + 1
    assert asked("--json", left_out=left_out)[0] == 1
    document = json.loads(capsys.readouterr().out)
    assert document["left_out"] == [{"model": "fake scripted", "item": "", "reason": "no node is left"}]
    assert document["measured"][0]["machine"] == "m1"


def test_a_dashboard_that_others_reach_is_warned_of(asked, capsys):
    asked(dashboard="192.0.2.1:8265")
    assert "the cluster's dashboard at 192.0.2.1:8265 can be reached by others" in capsys.readouterr().err


def test_without_ray_it_says_how_to_get_it(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["fleet", script(text="a"), f"--slm-store={tmp_path / 'cells'}"]) == 1
    assert "run `pip install 'pytest-slm[ray]'`  [fleet-ray]" in capsys.readouterr().err
