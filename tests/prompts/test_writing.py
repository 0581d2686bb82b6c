"""Text as it comes: stop strings are the answer's, a thinking has a limit of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Request
from pytest_slm.prompts.thinking import COMMON
from pytest_slm.prompts.writing import ThinkingRules, Writing, written

THINK = COMMON[0]
QWEN = "{{ '<think>' }}"
CLOSING = 7
"""What stands for the token that ends a thinking."""


def play(pieces, request=None, *, thinking="off", template=QWEN, opened=None):
    """Writes pieces as a model would, until the text ends: (what was written, tokens, why it ended)."""
    rules = ThinkingRules.of(template, thinking, lambda _: [CLOSING])
    request = request or Request(prompt="a", max_tokens=100)
    writing, left, n = Writing(request, rules, opened), list(pieces), 0
    while left:
        piece = "\n</think>\n\n" if writing.forced() is not None else left.pop(0)
        n += 1
        if writing.add(piece.encode()):
            return writing.finish(), n, "stop"
        if writing.full or n == rules.most(request):
            return writing.finish(), n, "length"
    return writing.finish(), n, "end"


def ask(*stops, max_tokens=100):
    return Request(prompt="a", max_tokens=max_tokens, stop=stops)


def pieces(text, size=3):
    return [text[start : start + size] for start in range(0, len(text), size)]


STOPPED = [
    # (text, stop strings, answer)
    ("<think>\na\n\nb\n</think>\n\n4\n\n5", ("\n\n",), "4"),
    ("<think>4. Question:</think>4 Question: 5", ("Question:",), "4 "),
    ("\n\n<think>a</think>4\n\n5", ("\n\n",), "4"),
    ("<think>a</think>\n\n\n4\n5", ("\n",), "4"),
    ("4\n\n5", ("\n\n",), "4"),
    ("4 <b> 5 </b>", ("</b>",), "4 <b> 5 "),
    ("<thing>5", ("5",), "<thing>"),
    ("[THINK]a. b[/THINK]4. 5", (".",), "4"),
    ("<|channel|>analysis<|message|>a. b<|end|><|start|>assistant<|channel|>final<|message|>4. 5", (".",), "4"),
    ('<think>"</think>". b</think>\n4. 5', (".",), "4"),
    ("4, or\n<think>5.</think>\n6.", (".",), "4, or\n6"),
]


@pytest.mark.parametrize(("text", "stops", "answer"), STOPPED)
@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_stop_strings_end_the_answer_and_not_the_thinking(text, stops, answer, size):
    found, _, why = play(pieces(text, size), ask(*stops))
    if size < 100:  # one token may hold all of the text, and it is too late then to stop within it
        assert (found.text, why) == (answer, "stop")


def test_a_stop_string_is_not_looked_for_in_what_the_prompt_has_opened():
    found, _, why = play(pieces("a.\n</think>\n\n4. 5"), ask("."), opened=THINK)
    assert (found.text, found.reasoning, why) == ("4", "a.", "stop")


def test_a_model_that_knows_no_thinking_stops_at_once():
    # no token more than without any of this: a blank line may be the beginning of a thinking only where there is one
    assert play(["\n", "\n", "4"], ask("\n"), template=None)[1:] == (1, "stop")
    assert play(["\n", "<think>", "a", "</think>", "\n", "4", "\n"], ask("\n"))[0].text == "4"


@pytest.mark.parametrize("budget", [0, 1, 5])
@pytest.mark.parametrize("opened", [None, THINK])
def test_a_thinking_is_ended_when_its_tokens_are_spent(budget, opened):
    said = [*([] if opened else ["<think>"]), *["a "] * 20]
    found, n, why = play(said, ask(max_tokens=3), thinking=budget, opened=opened)
    # its opening mark is a token too, and is there before anything can be done
    thought = max(budget, 1) if opened is None else budget
    assert found.n_reasoning == thought + 1
    assert found.reasoning == " ".join(["a"] * (thought - (opened is None)))
    assert (found.text, n - found.n_reasoning, why) == ("a a a ", 3, "length")


def test_the_answer_has_all_of_its_tokens_beside_a_thinking_with_a_limit():
    said = ["<think>", *["a "] * 5, "</think>", "\n", *["b "] * 20]
    assert play(said, ask(max_tokens=8), thinking=10)[1:] == (16, "length")
    # without one they share them
    assert play(said, ask(max_tokens=8), thinking="on")[1:] == (8, "length")
    # and who does not think has no more
    assert play(["b "] * 20, ask(max_tokens=8), thinking=10)[1:] == (8, "length")


def test_a_model_that_thinks_again_has_no_second_budget():
    said = ["<think>", "a ", "\n</think>", "\n\n", "4", "\n", "<think>", *["b "] * 9]
    found, _, _ = play(said, ask(max_tokens=20), thinking=3)
    assert found.reasoning == "a"
    assert found.text.startswith("4\nb")


def test_a_token_that_spells_the_closing_mark_ends_the_thinking_and_not_the_turn():
    rules = ThinkingRules.of("<|channel|>analysis<|message|>", "on")
    writing = Writing(ask(), rules)
    assert not writing.closes("<|end|>")
    writing.add(b"<|channel|>analysis<|message|>Hm")
    assert writing.closes("<|end|>")
    writing.add(b"<|end|>")
    assert not writing.closes("<|end|>")


def test_for_timing_every_token_counts_as_one():
    request = Request(prompt="a", max_tokens=4, stop=("b",), forced_length=True)
    found, n, why = play(["<think>", "b", "</think>", "b", "b"], request, thinking=1)
    assert (found.text, found.n_reasoning, n, why) == ("<think>b</think>b", 0, 4, "length")


PIECES = st.lists(
    st.one_of(
        st.sampled_from(["<think>", "</think>", "<", "think>", "\n", " ", "'", "4", "ä", ". "]), st.text(max_size=3)
    ),
    max_size=15,
)


@given(PIECES, st.sampled_from([None, THINK]))
def test_what_comes_in_pieces_is_what_comes_at_once(said, opened):
    found, n, why = play(said, opened=opened)
    whole = written("".join(said), opened=opened)
    assert (found.text, found.reasoning, why) == (whole.text, whole.reasoning, "end")
    assert found.n_reasoning <= n


@given(PIECES, st.integers(0, 4), st.integers(1, 5), st.sampled_from([None, THINK]))
def test_there_is_an_end(said, budget, most, opened):
    found, n, _ = play(said * 3, ask(".", max_tokens=most), thinking=budget, opened=opened)
    assert n <= most + budget + 2
    assert "." not in found.text or ". " not in "".join(said)


MANY = (
    "a</think>b ",
    "x <think> ",
    "<think>a</think>b\n",
    '"</think>" ',
    "```\n<think>\n",
    "x <think> [/THINK] </think> <thinking> ",
)


@pytest.mark.parametrize("text", MANY)
def test_thousands_of_marks_take_no_longer_than_as_many_words(text):
    # trying every opening mark with every closing one would take minutes here
    said = [text] * 3000
    found, _, _ = play(said, ask("never", max_tokens=5000))
    whole = written("".join(said))
    assert (found.text, found.reasoning) == (whole.text, whole.reasoning)
