"""A score below its gate fails, and a gate that was not checked has not been passed."""


def test_a_score_below_its_gate_fails_with_value_n_interval_and_gate(run, suite, moody, report, results):
    suite(one=[("wrong", "Paris")] * 0 + [("wrong a", "Paris"), ("right", "Paris")])
    done = run("suites", "--slm-gate=geo/one=0.9", **moody)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*exact_match 0.500 (n=2, 95 % interval * to *) is below its gate 0.9*"])
    assert "Traceback" not in done.stdout.str()
    result = results(report())["geo/one"]
    assert (result["outcome"], result["metrics"][0]["value"]) == ("failed", 0.5)


def test_a_gate_in_the_task_counts_and_the_command_line_overrides_it(run, suite, moody):
    suite(more="gate: {metric: exact_match, limit: 0.9}", one=[("wrong", "Paris")])
    run("suites", **moody).assert_outcomes(failed=1)
    run("suites", "--slm-gate=geo=0", **moody).assert_outcomes(passed=1)


def test_a_gate_that_no_item_has_is_refused(run, suite, good, moody):
    # it would never fail, and CI would believe that there is a gate
    suite(one=good)
    done = run("suites", "--slm-gate=gea=0.5", **moody)
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*--slm-gate=gea*Did you mean 'geo'*"])


def test_a_gate_holds_for_items_that_k_leaves_out(run, suite, good, moody):
    suite(one=good, two=good)
    run("suites", "--slm-gate=geo/two=0.5", "-k", "one", **moody).assert_outcomes(passed=1, deselected=1)


def test_a_gate_whose_item_was_not_measured_has_not_been_passed(run, suite, good):
    suite(one=good)
    done = run("suites", "--slm-gate=geo=0.5", capabilities=["generate"])
    done.assert_outcomes(skipped=1)
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*the gate geo was not checked: geo/one?scripted? is skipped (*"])


def test_a_gate_on_a_speed_fails_with_the_reason(run):
    done = run("--slm-suite=performance/decode", "--slm-gate=performance/decode=0.5", text="a")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*the gate 0.5 is a share, decode_tps is in tok/s*"])


def test_a_wrong_gate_leaves_no_report(run, suite, pytester, good, moody):
    suite(one=good)
    run("suites", "--slm-gate=gea=0.5", **moody)
    assert not list(pytester.path.glob("reports/**/report.json"))
