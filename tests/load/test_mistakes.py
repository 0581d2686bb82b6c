"""All mistakes of a file are told at once, each on a line with file, line, key and a remedy."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Submission, Suite, SuiteFacts, Task
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import find_mistakes
from pytest_slm.load import load_submission, load_suite, load_task
from pytest_slm.load.document import read

Write = Callable[..., Path]
SUITES = Path(__file__).parents[2] / "suites"
SUITE = Suite(name="s", facts=SuiteFacts.of("s"))


def told(load: Callable[[Path], object], path: Path) -> list[str]:
    """The lines of the error, without the folder."""
    with pytest.raises(UsageError) as caught:
        load(path)
    return str(caught.value).replace(f"{path.parent}/", "").split("\n")


def of_kinds(task: Task) -> list[tuple[str, str]]:
    return find_mistakes(task, Extensions())


def test_a_task_file_with_many_mistakes_has_a_line_for_each(write: Write) -> None:
    path = write(
        "task: cities\n"
        "kind: chekcs\n"
        "prompt: What is it?\n"
        "metrics:\n"
        "  - {name: accuracy, complement: maybe}\n"
        "primary: recall\n"
        "version: one\n"
        "variants: {short: {}, long: {}}\n"
        "modes: {quick: {variants: [shrot, medium]}}\n"
        "gate: {metric: f1, threshold: 0.5}\n"
        "version: 2\n"
        "options:\n"
        "  samples: ../../etc/passwd\n"
        "  stop: .inf\n",
        "cities.yaml",
    )
    questions = "Questions stand in a file, `options: {samples: data/FILE.jsonl}`, or come from lm-eval"
    assert [line.split(questions)[0] for line in told(lambda p: load_task(p, SUITE, of_kinds), path)] == [
        "cities.yaml:2: kind: unknown kind 'chekcs'. Did you mean 'checks'?  [task-option]",
        "cities.yaml:3: prompt: unknown key. ",
        "cities.yaml:5: metrics[0].complement: expected true or false, got the text 'maybe'  [suite-bad-value]",
        "cities.yaml:6: primary: 'recall' is not known. Known: accuracy.  [suite-bad-value]",
        "cities.yaml:7: version: expected a whole number of at least 1, got the text 'one'  [suite-bad-value]",
        "cities.yaml:9: modes.quick.variants: 'shrot' is no variant of this task. Did you mean 'short'?  "
        "[suite-bad-value]",
        "cities.yaml:9: modes.quick.variants: 'medium' is no variant of this task. Known: long, short.  "
        "[suite-bad-value]",
        "cities.yaml:10: gate.threshold: unknown key. It is called `limit`: below it (above, where less is better) "
        "the item fails.  [suite-unknown-key]",
        "cities.yaml:10: gate.metric: 'f1' is not known. Known: accuracy.  [suite-bad-value]",
        "cities.yaml:10: gate.limit: missing key; add it  [suite-bad-value]",
        "cities.yaml:11: version: this key stands in line 7 already; keep one of the two  [yaml-duplicate-key]",
        "cities.yaml:14: options.stop: '.inf' is not a finite number  [yaml-syntax]",
    ]


def test_who_names_a_metric_that_is_not_there_is_told_so(write: Write) -> None:
    path = write("kind: checks\nmetrics: [accuracy]\nprimary: recall\ngate: {metric: f1, limit: 1}\nchance: {acc: 2}\n")
    assert told(lambda p: load_task(p, SUITE), path) == [
        "task.yaml:3: primary: 'recall' is not known. Known: accuracy.  [suite-bad-value]",
        "task.yaml:4: gate.metric: 'f1' is not known. Known: accuracy.  [suite-bad-value]",
        "task.yaml:5: chance.acc: unknown key. Did you mean 'accuracy'?  [suite-unknown-key]",
        "task.yaml:5: chance.acc: expected a number from 0 to 1, got the number 2  [suite-bad-value]",
    ]


def test_what_follows_from_a_mistake_is_not_another_one(write: Write) -> None:
    # The metric that cannot be read may well be called recall.
    path = write("kind: checks\nmetrics: [accuracy, {nmae: recall}]\nprimary: recall\ngate: 0.5\n")
    assert [line.partition(". ")[0] for line in told(lambda p: load_task(p, SUITE), path)] == [
        "task.yaml:2: metrics[1].nmae: unknown key",
        "task.yaml:2: metrics[1].name: missing key; add it  [suite-bad-value]",
        "task.yaml:4: gate: expected a mapping (key: value), got the number 0.5  [suite-bad-value]",
    ]


def test_a_suite_file_with_many_mistakes(write: Write) -> None:
    path = write(
        "suite: law\n"
        "scored: sometimes\n"
        "use_case: Law & order\n"
        "tasks: [cases, cases]\n"
        "tags: [law, 'a b']\n"
        "rates:\n"
        "  bias: {task: csaes}\n"
    )
    assert told(load_suite, path) == [
        "task.yaml:2: scored: expected true or false, got the text 'sometimes'  [suite-bad-value]",
        "task.yaml:3: use_case: expected a name in small letters, digits and '_', got the text 'Law & order'  "
        "[suite-bad-value]",
        "task.yaml:4: tasks: 'cases' is listed twice; keep one  [suite-bad-value]",
        "task.yaml:5: tags[1]: expected a marker's name (letters, digits, '_', '.', '-'; a letter first) that pytest "
        "does not use itself, got the text 'a b'  [suite-bad-value]",
        "task.yaml:7: rates.bias.task: 'csaes' is not known. Did you mean 'cases'?  [suite-bad-value]",
    ]


def test_a_submission_with_many_mistakes(write: Write) -> None:
    path = write(
        "model:\n"
        "  hf_repo: just-a-name\n"
        "  trust_remote_code: true\n"
        "  context_length: long\n"
        "  quantizations:\n"
        "    - {name: Q8_0, format: gguf, file: ../x.gguf}\n"
        "    - {name: q8_0, format: pickle}\n"
        "  engine: {threads: 0, kv_type: F8}\n"
    )
    assert told(load_submission, path) == [
        "task.yaml:2: model.hf_repo: expected a Hub repo id (org/name), got the text 'just-a-name'  "
        "[submission-bad-value]",
        "task.yaml:3: model.trust_remote_code: unknown key. Code from a model's repository is never run; remove the "
        "key.  [submission-unknown-key]",
        "task.yaml:4: model.context_length: expected a whole number of at least 1, got the text 'long'  "
        "[submission-bad-value]",
        "task.yaml:6: model.quantizations[0].file: expected a relative path inside this folder, got '../x.gguf'  "
        "[submission-bad-value]",
        "task.yaml:7: model.quantizations[1].format: pickled weights can run code when they are loaded and are "
        "refused; convert them to safetensors or GGUF  [submission-bad-value]",
        "task.yaml:7: model.quantizations[1]: 'q8_0' is declared twice; rename or remove one  [submission-bad-value]",
        "task.yaml:8: model.engine.threads: expected a whole number of at least 1, got the number 0  "
        "[submission-bad-value]",
        "task.yaml:8: model.engine.kv_type: 'F8' is not known. Known: BF16, F16, F32, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.  "
        "[submission-bad-value]",
    ]


def test_a_key_cannot_write_to_the_terminal(write: Write) -> None:
    (line,) = told(lambda p: load_task(p, SUITE), write('kind: checks\nmetrics: [a]\n"\\e[2Jx\\ny": 1\n'))
    assert line.startswith(r"task.yaml:3: \x1b[2Jx\ny: unknown key.")


@pytest.mark.parametrize(
    ("wrong", "known", "hint"),
    [
        ("limts", ("limit", "limits"), "Did you mean 'limits'?"),
        ("sample", ("samples", "stop"), "Did you mean 'samples'?"),
        ("rga", ("core", "rag"), "Did you mean 'rag'?"),
        ("q4km", ("Q4_0", "Q4_K_M"), "Did you mean 'Q4_K_M'?"),
        ("num_few_shots", ("num_fewshot", "task"), "Did you mean 'num_fewshot'?"),
        ("max_new_tokens", ("max_tokens", "samples"), "Did you mean 'max_tokens'?"),
        # alike for a computer, not for a person
        ("temperature", ("generator", "samples"), "Known: generator, samples."),
        ("max_new_tokens", ("limit",), "Known: limit."),
        ("x", (), "There is nothing to choose from."),
    ],
)
def test_a_word_is_offered_only_if_it_is_meant(wrong: str, known: tuple[str, ...], hint: str) -> None:
    assert did_you_mean(wrong, known) == hint


def test_a_long_list_is_left_to_the_documents() -> None:
    many = [f"quantization_{number:03}" for number in range(100)]
    assert did_you_mean("x", many, page="docs/suites.md") == "See docs/suites.md."
    assert did_you_mean("x", many).endswith(" and more.")


def test_every_key_has_its_line(write: Write) -> None:
    lines = read(
        write("kind: checks\nmetrics:\n  - a\n  - name: b\n    group: c\noptions:\n  samples:\n    x\n")
    ).lines()
    assert lines == {
        **{"kind": 1, "metrics": 2, "metrics[0]": 3, "metrics[1]": 4, "metrics[1].name": 4, "metrics[1].group": 5},
        **{"options": 6, "options.samples": 7},
    }


@functools.cache
def task_files() -> list[Any]:
    """The contents of all task files of this repository."""
    return [read(path).plain() for path in sorted(SUITES.glob("*/*.yaml")) if path.stem != "suite"]


@functools.cache
def submissions() -> list[Any]:
    """The contents of submissions with every key."""
    return [read(path).plain() for path in sorted((SUITES.parent / "submissions").glob("*.yml"))] + [
        {
            "model": {
                **dict.fromkeys(("name", "family", "architecture", "license", "submitted_by", "contact"), "x"),
                **{"hf_repo": "a/b", "revision": "main", "parameters": "135M", "context_length": 2048, "derive": True},
                **{"categories": ["a"], "tags": ["b", "c"], "submitted_date": "2026-01-31", "engine": {"threads": 2}},
                "quantizations": [
                    {"name": "Q8_0", "format": "gguf", "source": "c/d@main", "file": "m.gguf", "engine": {"n_ctx": 64}},
                    {"name": "BF16", "format": "safetensors", "source": "./weights"},
                ],
            }
        }
    ]


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["acc", "../x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def mutated(draw: st.DrawFn, value: Any) -> Any:
    """``value`` with something in it replaced, renamed or taken out."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        rest = {name: item for name, item in value.items() if name != key}
        change = draw(st.sampled_from(["inside", "rename", "drop", "add"]))
        if change == "drop":
            return rest
        if change == "add":
            return {**value, draw(st.text(max_size=8)): draw(VALUES)}
        name = key if change == "inside" else key[1:] + key[:1]
        return {**rest, name: mutated(draw, value[key])}
    if isinstance(value, list) and value and draw(st.booleans()):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], mutated(draw, value[index]), *value[index:]]
    return draw(VALUES)


@st.composite
def wrong_files(draw: st.DrawFn, files: Callable[[], list[Any]]) -> Any:
    value = draw(st.sampled_from(files()))
    for _ in range(draw(st.integers(1, 4))):
        value = mutated(draw, value)
    return value


@given(wrong_files(task_files))
def test_whatever_is_done_to_a_task_file_is_told_with_file_and_line(
    tmp_path_factory: pytest.TempPathFactory, content: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    try:
        task = load_task(path, SUITE)
    except UsageError as error:
        for line in str(error).split("\n"):
            assert re.fullmatch(rf"{re.escape(str(path))}:\d+: .+  \[(suite|yaml)-[a-z-]+\]", line)
    else:
        assert Task.from_json(task.to_json()) == task


@given(wrong_files(submissions))
def test_whatever_is_done_to_a_submission_is_told_with_file_and_line(
    tmp_path_factory: pytest.TempPathFactory, content: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.yml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    try:
        submission = load_submission(path)
    except UsageError as error:
        for line in str(error).split("\n"):
            assert re.fullmatch(rf"{re.escape(str(path))}:\d+: .+  \[(submission|yaml)-[a-z-]+\]", line)
    else:
        assert Submission.from_json(submission.to_json()) == submission
