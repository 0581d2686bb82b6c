"""Every suite file loads, says where it comes from, and its data are the ones it declares."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

import pytest

from pytest_slm.core.types import Sample, Suite, Task
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task
from pytest_slm.kinds.checks import read_samples
from pytest_slm.load import load_suite, load_task
from pytest_slm.scorers import Rule

# Which tasks `sampled`, `generated`, `upstream` and so on are stands in conftest.py.


def test_every_file_of_the_folder_suites_is_looked_at(
    suites_folder: Path, suites: list[Suite], tasks: list[Task]
) -> None:
    # by the names of files alone, so that what is not loaded is noticed
    folders = {path for path in suites_folder.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}
    yaml = {path for path in suites_folder.glob("*/**/*.y*ml") if path.name != "suite.yaml"}
    python = set(suites_folder.glob("**/*.py"))
    assert {Path(suite.path).parent for suite in suites} == folders
    assert {Path(task.path) for task in tasks} == yaml
    assert python == set(measuring_files(suites_folder))
    assert (len(folders), len(yaml), len(python)) >= (9, 20, 8)  # a lost folder is no smaller test


def measuring_files(suites_folder: Path) -> list[Path]:
    return sorted(suites_folder.glob("*/test_*.py"))


def test_a_test_that_measures_has_the_name_of_its_file(suites_folder: Path) -> None:
    # --slm-suite=performance/decode finds it by its file, the report by its marker
    for path in measuring_files(suites_folder):
        tests = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
        marks = [ast.unparse(mark) for test in tests for mark in test.decorator_list]
        assert [test.name for test in tests] == [path.stem]
        assert [mark for mark in marks if mark.startswith(f"pytest.mark.slm_task('{path.stem.removeprefix('test_')}'")]
        assert "pytest.mark.slm_timing" in marks


def test_a_task_has_no_mistake_that_can_be_seen_before_it_runs(task: Task) -> None:
    check_task(task, Extensions())


def test_a_suite_says_what_it_is(suite: Suite) -> None:
    assert suite.facts.title
    assert suite.description.endswith(".")
    assert suite.name in suite.tags  # -m safety selects the suite safety


SHOWN_ONLY = {
    "validate",
    *("position_bias", "position_bias_mmlu"),  # a bias is no ability
    "agentdojo",  # needs a package that few have
    "dispatchqa",  # nobody can measure it yet
    "frames_oracle",  # thousands of articles have to be fetched
    "nestful_v2",  # needs two downloads; nestful has the same metrics but one
    "bfcl_memory",  # as long; its questions are over what the model itself has kept
    "bfcl_multi_turn",  # hours for a small model; it is part of BFCL's own total
    *("crows_pairs", "bold"),  # neither end of their scales is good
    # They ask questions again in another way.
    *("bfcl_text", "bfcl_template", "bfcl_constrained", "bfcl_format_sensitivity"),
}
"""Tasks of which no score is made."""


def test_a_suite_declares_exactly_the_tasks_it_has(suite: Suite) -> None:
    folder = Path(suite.path).parent
    there = [load_task(path, suite) for path in folder.glob("*.yaml") if path.name != "suite.yaml"]
    # What nobody can measure would leave every score a part.
    assert set(suite.tasks) == {task.name for task in there} - SHOWN_ONLY


def test_a_task_names_its_source_and_licence(task: Task) -> None:
    assert task.description
    assert task.source
    own = {"Apache-2.0", "CC-BY-SA-4.0", *({"not known"} if "unpublished" in str(task.options) else ())}
    assert task.license in (
        own | {"MIT", "CC-BY-SA-3.0", "CC-BY-4.0", "CC-BY-NC-SA-3.0", "AFL-3.0", "CDLA-Permissive-2.0"}
        if task.kind in ("lm_eval", "bbq", "agentdojo") or "generator" in task.options
        else own
    )


def test_a_task_runs_in_quick_and_full_mode_or_only_validates(task: Task) -> None:
    assert set(task.modes) in ({"quick", "full"}, {"full"} if task.name in SHOWN_ONLY else {"validate"}, {"validate"})


def test_a_checked_task_is_scored_by_a_known_scorer(checked: Task) -> None:
    assert checked.scorer is not None
    assert isinstance(Extensions().scorers.lookup(checked.scorer), Rule)


def test_other_tasks_name_no_scorer(unscored: Task) -> None:
    assert unscored.scorer is None


def test_a_generated_task_has_a_known_generator_and_a_limit_in_every_mode(generated: Task) -> None:
    generator = Extensions().generators.lookup(generated.options["generator"])
    assert callable(generator.make)
    assert generator.finite or [plan.limit for plan in generated.modes.values() if not plan.limit] == []


def test_data_have_the_declared_checksum(with_data: Task) -> None:
    (name,) = {str(with_data.options[key]) for key in ("samples", "haystack", "prompts") if key in with_data.options}
    data = (Path(with_data.path).parent / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == with_data.options["sha256"]


def test_every_data_file_is_declared_by_a_task(suites_folder: Path, tasks: list[Task]) -> None:
    declared = {
        Path(task.path).parent / task.options[key]
        for task in tasks
        for key in ("samples", "haystack", "prompts")
        if isinstance(task.options.get(key), str)
    }
    assert set(suites_folder.glob("*/data/*")) == declared


def read(task: Task) -> list[Sample]:
    return read_samples(Path(task.path).parent / task.options["samples"], task.options["sha256"])


def test_samples_come_back_from_json_unchanged(sampled: Task) -> None:
    samples = read(sampled)
    assert [Sample.from_json(json.loads(json.dumps(sample.to_json()))) for sample in samples] == samples


def test_there_are_enough_samples_with_ids_and_questions_of_their_own(sampled: Task) -> None:
    samples = read(sampled)
    assert len({sample.id for sample in samples}) == len({sample.input for sample in samples}) == len(samples) >= 30


def test_groups_of_metrics_and_samples_are_the_same(sampled: Task) -> None:
    # A metric of a misspelt group would silently have no samples.
    named = {group for spec in sampled.metrics for group in (*spec.balance, spec.group) if group}
    # Where none is named, groups are what a limit draws from.
    assert named in (set(), {sample.metadata["group"] for sample in read(sampled)})


def test_the_breakdown_is_a_key_of_every_sample(sampled: Task) -> None:
    assert [sample.id for sample in read(sampled) if sampled.breakdown not in sample.metadata] == []


def test_an_lm_eval_task_is_one_of_lm_evals_with_metrics_that_it_has(upstream: Task) -> None:
    pytest.importorskip("lm_eval.tasks", reason="needs pip install 'pytest-slm[lm-eval]'")
    from pytest_slm.lm_eval.declaring import declare

    theirs = {(spec.key or spec.name, spec.filter) for spec in declare(upstream.options["task"]).metrics}
    assert {(spec.key or spec.name, spec.filter) for spec in upstream.metrics} <= theirs


def test_an_lm_eval_task_declares_how_it_is_asked(upstream: Task) -> None:
    # what lm-eval, or a later release of it, has by default must not decide what our number means
    assert upstream.options["num_fewshot"] >= 0
    assert upstream.options["chat_template"] in (True, False)


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
