"""``--slm-task=lm_eval:NAME``: tasks of lm-eval without a file."""

import pytest

pytest.importorskip("lm_eval.tasks", reason="needs pip install 'pytest-slm[lm-eval]'")

from pytest_slm.lm_eval.declaring import declare


def test_a_named_task_is_collected_alone_and_found_again_by_its_name(run):
    done = run("--slm-task=lm_eval:arc_easy,lm_eval:piqa", "--collect-only", "-q", quantizations=["Q8_0"])
    done.stdout.fnmatch_lines(["lm_eval:arc_easy*Q8_0*", "lm_eval:piqa*Q8_0*"])
    done.stdout.no_fnmatch_line("*niah*")


def test_it_is_measured_with_all_of_lm_evals_metrics(run, mirror):
    done = run("--slm-task=lm_eval:piqa", "--slm-limit=5", f"--slm-data={mirror}", "--slm-offline")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*lm_eval/piqa*acc_norm*"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lm_eval:arc_eazy", "*lm-eval has no task 'arc_eazy'*arc_easy*"),
        ("lm_eval:ai2_arc", "*is a tag of lm-eval*lm_eval:arc_*"),
        ("arc_easy", "*expected lm_eval:NAME*"),
    ],
)
def test_what_does_not_exist_is_the_users_mistake(run, name, told):
    done = run(f"--slm-task={name}")
    assert done.ret == 4
    done.stderr.fnmatch_lines([told])


def test_a_metric_that_is_a_function_has_its_name():
    specs = declare("noticia").metrics
    assert all("/" not in spec.name and "." not in spec.name for spec in specs)


@pytest.mark.parametrize(("name", "place"), [("humaneval", "create_test"), ("mbpp", "none")])
def test_programs_are_tried_in_the_sandbox_whatever_lm_eval_calls_their_metric(name, place):
    (spec,) = declare(name).metrics
    assert (spec.name, spec.unit, spec.key, spec.filter) == ("pass@1", "share", "pass@1", place)


def test_programs_are_measured_without_a_file(run, mirror):
    pytest.importorskip("wasmtime", reason="needs pip install 'pytest-slm[sandbox]'")
    tasks = ("--slm-task=lm_eval:humaneval,lm_eval:mbpp", "--slm-limit=2", f"--slm-data={mirror}", "--slm-offline")
    done = run(*tasks, text="    return 1")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["*lm_eval/humaneval*pass@1*0 %*"])
