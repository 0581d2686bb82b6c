"""Every suite file loads, says where it comes from, and its data are the ones it declares."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pytest_slm.core.types import Sample, Suite, Task
from pytest_slm.errors import UsageError
from pytest_slm.load import load_suite, load_task
from pytest_slm.runners import check_task
from pytest_slm.runners.checks import read_samples
from pytest_slm.runners.generators import lookup
from pytest_slm.scorers import Scorers


def samples_of(task: Task) -> bool:
    """Whether a task has a file of samples; multiple choice has questions instead, which `check_task` reads."""
    return task.kind == "checks" and "samples" in task.options


def test_a_task_has_no_mistake_that_can_be_seen_before_it_runs(task: Task) -> None:
    check_task(task)


def test_a_suite_says_what_it_is(suite: Suite) -> None:
    assert suite.facts.title
    assert suite.description.endswith(".")
    assert suite.name in suite.tags  # -m safety selects the suite safety


def test_a_suite_declares_exactly_the_tasks_it_has(suite: Suite) -> None:
    folder = Path(suite.path).parent
    there = {load_task(path, suite).name for path in folder.glob("*.yaml") if path.name != "suite.yaml"}
    # Validation gives no score, so it is declared by none.
    assert set(suite.tasks) == there - {"validate"}


def test_a_task_names_its_source_and_licence(task: Task) -> None:
    assert task.description
    assert task.source
    own = {"Apache-2.0", "CC-BY-SA-4.0"}
    assert task.license in (own | {"MIT", "CC-BY-SA-3.0", "CC-BY-4.0", "AFL-3.0"} if task.kind == "lm_eval" else own)


def test_a_task_runs_in_quick_and_full_mode_or_only_validates(task: Task) -> None:
    assert set(task.modes) in ({"quick", "full"}, {"validate"})


def test_a_task_is_scored_by_a_known_scorer(task: Task) -> None:
    if task.kind == "checks":
        assert task.scorer is not None
        assert callable(Scorers().lookup(task.scorer))
    else:
        assert task.scorer is None


def test_a_generated_task_has_a_known_generator_and_a_limit_in_every_mode(task: Task) -> None:
    if "generator" in task.options:
        assert callable(lookup(task.options["generator"]))
        assert all(plan.limit for plan in task.modes.values())


def test_data_have_the_declared_checksum(task: Task) -> None:
    name = task.options.get("samples") or task.options.get("haystack")
    if name:
        data = (Path(task.path).parent / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == task.options["sha256"]


def test_every_data_file_is_declared_by_a_task(suites_folder: Path) -> None:
    declared = "".join(path.read_text(encoding="utf-8") for path in suites_folder.glob("*/*.yaml"))
    for path in suites_folder.glob("*/data/*"):
        assert f"data/{path.name}" in declared, path


def test_samples_come_back_from_json_unchanged(task: Task) -> None:
    if samples_of(task):
        samples = read_samples(Path(task.path).parent / task.options["samples"], task.options["sha256"])
        assert [Sample.from_json(json.loads(json.dumps(sample.to_json()))) for sample in samples] == samples


def test_ids_and_questions_are_unique(task: Task) -> None:
    if samples_of(task):
        samples = read_samples(Path(task.path).parent / task.options["samples"])
        assert len({sample.id for sample in samples}) == len({sample.input for sample in samples}) == len(samples)


def test_groups_of_metrics_and_samples_are_the_same(task: Task) -> None:
    # A metric of a misspelt group would silently have no samples.
    if samples_of(task):
        samples = read_samples(Path(task.path).parent / task.options["samples"])
        named = {group for spec in task.metrics for group in (*spec.balance, spec.group) if group}
        assert named == {sample.metadata["group"] for sample in samples}


def test_the_breakdown_is_a_key_of_every_sample(task: Task) -> None:
    if samples_of(task):
        samples = read_samples(Path(task.path).parent / task.options["samples"])
        assert task.breakdown is not None
        assert all(task.breakdown in sample.metadata for sample in samples)


def test_an_lm_eval_task_is_one_of_lm_evals_with_metrics_that_it_has(task: Task) -> None:
    if task.kind != "lm_eval":
        pytest.skip("no task of lm-eval")
    pytest.importorskip("lm_eval.tasks", reason="needs pip install 'pytest-slm[lm-eval]'")
    from pytest_slm.runners.upstream import definitions

    path = definitions.find(task.options["task"])
    assert path is not None
    settings = definitions.read(path)
    listed = settings.get("metric_list") or settings.get("aggregate_metric_list")
    assert {spec.key or spec.name for spec in task.metrics} <= {one["metric"] for one in listed}
    filters = {one["name"] for one in settings.get("filter_list", [])} or {"none"}
    assert {spec.filter for spec in task.metrics} <= filters


def test_an_lm_eval_task_declares_how_it_is_asked(task: Task) -> None:
    # what lm-eval, or a later release of it, has by default must not decide what our number means
    if task.kind == "lm_eval":
        assert task.options["num_fewshot"] >= 0
        assert task.options["chat_template"] in (True, False)


def test_the_haystack_is_long_varied_and_free_of_needles(suites_folder: Path) -> None:
    sentences = (suites_folder / "rag/data/haystack.txt").read_text(encoding="utf-8").splitlines()
    assert len(set(sentences)) == len(sentences) >= 150
    assert not any(letter.isdigit() for sentence in sentences for letter in sentence)
    assert "access code" not in " ".join(sentences)
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in sentences)


def test_a_misspelt_key_in_a_copy_is_an_error(suites_folder: Path, tmp_path: Path) -> None:
    suite = load_suite(suites_folder / "rag" / "suite.yaml")
    text = (suites_folder / "rag" / "niah.yaml").read_text(encoding="utf-8").replace("breakdown:", "brakdown:")
    (tmp_path / "niah.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="Did you mean 'breakdown'"):
        load_task(tmp_path / "niah.yaml", suite)
