"""Tests, scorers and backends of a user's own are measured with like ours, and a bug in them is an error."""

import pytest


def test_a_result_without_a_name_is_refused(pytester, run):
    pytester.makepyfile("def test_it(slm_backend, slm_result): slm_result()")
    done = run("test_a_result_without_a_name_is_refused.py")
    done.stdout.fnmatch_lines(["*slm_result needs the marker @pytest.mark.slm_task*no-identity*"])


def test_a_hand_written_test_hands_in_what_it_measured(pytester, run, report, results):
    pytester.makepyfile(
        test_mine="""
        import pytest
        from pytest_slm.core.types import Metric
        @pytest.mark.slm_task("politeness")
        def test_polite(slm_backend, slm_result):
            slm_result(metrics=[Metric(name="polite", value=0.5, n=2)], primary="polite")
        """
    )
    run("test_mine.py").assert_outcomes(passed=1)
    (result,) = results(report()).values()
    assert (result["task"], result["metrics"][0]["value"], result["kind"]) == ("politeness", 0.5, "function")


def test_an_item_of_which_nothing_could_be_scored_is_an_error(pytester, run, suite, report, results):
    pytester.makeconftest(
        """
        from pytest_slm.core.types import Verdict
        def pytest_slm_register_scorers(register):
            register("never", lambda sample, generation: Verdict(value=None, answer="", explanation="no idea"))
        """
    )
    folder = suite(one=[("nothing", "Paris")])
    (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("contains", "never"))
    run("suites", text="").assert_outcomes(errors=1)
    assert "nothing-scored" in results(report())["geo/one"]["reason"]


def test_a_plugin_brings_a_scorer(pytester, run, suite, good, report, results):
    pytester.makeconftest(
        """
        from pytest_slm.core.types import Verdict
        def long(sample, generation):
            return Verdict(value=float(len(generation.text) > 3), answer=generation.text, explanation="length")
        def pytest_slm_register_scorers(register):
            register("long", long)
        """
    )
    folder = suite(one=good)
    (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("contains", "long"))
    run("suites", text="four").assert_outcomes(passed=1)
    assert results(report())["geo/one"]["metrics"][0]["value"] == 1


@pytest.mark.subprocess
def test_a_plugin_brings_a_backend(pytester, run, suite, good, moody, report):
    pytester.makepyfile(
        mine="""
        from dataclasses import replace
        from pytest_slm.backends.fake import Fake
        class Mine(Fake):
            def describe(self):
                return replace(super().describe(), name="mine")
        """
    )
    pytester.makeconftest(
        """
        def pytest_slm_register_backends(register):
            register("mine", "mine:Mine", formats=("fake",))
        """
    )
    suite(one=good)
    run("suites", **moody).assert_outcomes(passed=1)  # pytester puts the folder on PYTHONPATH, for the host too
    assert report()["slm"]["backend"]["name"] == "mine"


def test_an_item_that_is_run_again_has_its_last_result(pytester, run, suite, good, moody, report, results):
    # what pytest-rerunfailures does, in a few lines
    pytester.makeconftest(
        """
        import pytest
        from _pytest.runner import runtestprotocol
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for turn in range(2):
                for report in runtestprotocol(item, nextitem=nextitem, log=False):
                    if turn == 0:
                        report.outcome = "rerun" if report.failed else report.outcome
                    item.ihook.pytest_runtest_logreport(report=report)
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            return True
        turns = []
        def unsteady(sample, generation):
            from pytest_slm.core.types import Verdict
            turns.append(1)
            if len(turns) == 1:
                raise RuntimeError("only the first time")
            return Verdict(value=1.0, answer="", explanation="")
        def pytest_slm_register_scorers(register):
            register("unsteady", unsteady)
        """
    )
    folder = suite(one=good)
    (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("contains", "unsteady"))
    run("suites", **moody)
    result = results(report())["geo/one"]
    assert (result["outcome"], result["metrics"][0]["value"]) == ("passed", 1.0)
