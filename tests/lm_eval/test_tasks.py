"""Which of lm-eval's tasks is meant, with which options and metrics, and what is told where there is none."""

import dataclasses
import sys

import pytest

from pytest_slm.core.types import MetricSpec
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.lm_eval import building, definitions
from pytest_slm.run.drive import measure


@pytest.mark.parametrize(
    "name",
    [
        "arc_challenge",
        "gsm8k",
        "boolq",  # in super_glue/boolq/default.yaml
        "wic",  # basqueglue/wic.yaml is another task
        "social_iqa",  # bigbench has two files of that name, with tasks of other names
        "mmlu_anatomy",  # ten files of that name
    ],
)
def test_the_definition_is_the_one_of_that_task(lm_eval, name):
    from lm_eval.tasks._yaml_loader import load_yaml

    assert load_yaml(definitions.find(name), resolve_func=False)["task"] == name


@pytest.mark.parametrize("name", ["arc_chalenge", "arc_c*", "../tasks/arc/arc_challenge", "/etc/passwd", "", "a\nb"])
def test_an_unknown_task_is_told(ask, arc, with_options, name):
    with pytest.raises(UsageError, match="lm-eval has no task") as caught:
        ask(with_options(arc, task=name))
    assert caught.value.slug == "lm-eval-task"


def test_an_unknown_option_is_told_with_the_known_ones(ask, arc, with_options):
    with pytest.raises(UsageError, match=r"fewshot: unknown option\. .*num_fewshot") as caught:
        ask(with_options(arc, fewshot=3))
    assert caught.value.slug == "task-option"


def test_a_missing_task_is_told(ask, arc):
    with pytest.raises(UsageError, match="`task` is missing"):
        ask(dataclasses.replace(arc, options={}))


@pytest.mark.parametrize("wrong", ["five", -1, 1.5, True])
def test_a_number_of_examples_is_a_whole_number(ask, arc, with_options, wrong):
    with pytest.raises(UsageError, match="num_fewshot") as caught:
        ask(with_options(arc, num_fewshot=wrong), limit=1)
    assert caught.value.slug == "task-option"


def test_more_examples_than_there_are_rows_are_told_before_a_model_is_opened(
    lm_eval, arc, with_options, context, mirror
):
    def opened():
        pytest.fail("a model was opened")

    surroundings = dataclasses.replace(context(data=str(mirror)), open=opened)
    with pytest.raises(UsageError, match=r"num_fewshot is 100000, but the split 'train' .* has \d+ rows") as caught:
        measure(with_options(arc, num_fewshot=100_000), "", surroundings)
    assert caught.value.slug == "fewshot-rows"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (MetricSpec(name="bleu"), "no metric 'bleu', but acc, acc_norm"),
        (MetricSpec(name="accuracy", key="exact_match"), "no metric 'exact_match'"),
        (MetricSpec(name="acc", filter="flexible-extract"), "no filter 'flexible-extract', but none"),
    ],
    ids=["name", "key", "filter"],
)
def test_an_unknown_metric_or_filter_is_an_error_and_no_zero(ask, arc, spec, told):
    with pytest.raises(UsageError, match=told) as caught:
        ask(dataclasses.replace(arc, metrics=(spec,), primary=spec.name), limit=2)
    assert caught.value.slug == "unknown-metric"


def test_a_missing_capability_is_told_before_anything_is_asked(arc, context, fake, mirror):
    with pytest.raises(NotAvailableError, match="requires 'loglikelihood'"):
        measure(arc, "", context(fake(capabilities=["chat"]), data=str(mirror)))


@pytest.mark.parametrize("missing", ["lm_eval.api.task", "datasets"])
def test_without_lm_eval_the_item_is_skipped_with_the_install_command(arc, context, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        NotAvailableError, match=r"'arc_challenge' needs lm-eval .*pip install 'pytest-slm\[lm-eval\]'"
    ) as caught:
        measure(arc, "", context())
    assert caught.value.slug == "missing-extra"


def test_a_package_that_a_tasks_functions_need_is_a_skip_with_its_name():
    def load():
        raise ModuleNotFoundError("No module named 'langdetect.x'", name="langdetect.x")

    with pytest.raises(NotAvailableError, match="pip install langdetect") as caught:
        building._loaded("ifeval", load)
    assert caught.value.slug == "missing-extra"


def test_a_task_that_cannot_be_imported_is_an_error_that_names_it():
    with pytest.raises(BackendError, match=r"broken cannot be loaded \(ZeroDivisionError") as caught:
        building._loaded("broken", lambda: 1 // 0)
    assert caught.value.slug == "lm-eval-failed"


def test_lm_evals_index_of_all_tasks_is_never_made(ask, arc, monkeypatch):
    # it reads more than ten thousand files, which takes seconds
    from lm_eval.tasks import TaskManager, _index

    def refuse(*_arguments, **_named):
        raise AssertionError("the index was made")

    monkeypatch.setattr(TaskManager, "__init__", refuse)
    monkeypatch.setattr(_index.TaskIndex, "build", refuse)
    assert ask(arc, limit=1).n_scored == 1
