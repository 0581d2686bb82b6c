"""Thinking is no part of an answer: whoever opens it, whatever its marks are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.prompts.thinking import COMMON, parts_of
from pytest_slm.prompts.writing import written

FENCED = "```python\ns = '''\n<think>\n'''\n```\nIt is 3."
# What was written: its thinking, and its answer.
TEXTS = {
    "<think>\nIs it 3? No.\n</think>\n\n4": ("Is it 3? No.", "4"),
    "<think>x</think>4": ("x", "4"),
    "  \n<think>x</think> 4": ("x", "4"),
    # the chat template has opened it
    "Is it 3? No.\n</think>\n\n4": ("Is it 3? No.", "4"),
    "Is it 3? No.</think>4": ("Is it 3? No.", "4"),
    "Is it 3? No.[/THINK]4": ("Is it 3? No.", "4"),
    # other marks
    "[THINK]Is it 3?[/THINK]4": ("Is it 3?", "4"),
    "<thinking>\nIs it 3?\n</thinking>\n4": ("Is it 3?", "4"),
    "<thought>Is it 3?</thought>\n4": ("Is it 3?", "4"),
    "<Thought>Is it 3?</Thought>\n4": ("Is it 3?", "4"),
    "<reasoning>Is it 3?</reasoning>\n4": ("Is it 3?", "4"),
    "<seed:think>\nIs it 3?\n</seed:think>4": ("Is it 3?", "4"),
    "◁think▷Is it 3?◁/think▷4": ("Is it 3?", "4"),
    "<|inner_prefix|>Is it 3?<|inner_suffix|>4": ("Is it 3?", "4"),
    "<|START_THINKING|>Is it 3?<|END_THINKING|><|START_RESPONSE|>4<|END_RESPONSE|>": ("Is it 3?", "4"),
    "<|START_RESPONSE|>4<|END_RESPONSE|>": ("", "4"),
    "<|begin_of_thought|>\nIs it 3?\n<|end_of_thought|>\n\n<|begin_of_solution|>\n4\n<|end_of_solution|>": (
        "Is it 3?",
        "4\n",
    ),
    "<|channel|>analysis<|message|>Is it 3?<|end|><|start|>assistant<|channel|>final<|message|>4": ("Is it 3?", "4"),
    "<|channel|>final<|message|>4": ("", "4"),
    # never closed: there is no answer
    "<think>\nIs it 3? No, 4": ("Is it 3? No, 4", ""),
    "[THINK]Is it 3? No, 4": ("Is it 3? No, 4", ""),
    "<|channel|>analysis<|message|>Is it 3? No, 4": ("Is it 3? No, 4", ""),
    # more than one
    "<think>a</think>\n4, or\n<think>b</think>\n5": ("a\n\nb", "4, or\n5"),
    "<think>a</think>\nIt is 3\n</think>\n\n4": ("a\n\nIt is 3", "4"),
    "<think>a</think>\n\n4\n</think>": ("a", "4\n"),
    "I look. <think>a</think> It is 4": ("a", "I look. It is 4"),
    "4\n<think>\nor 5": ("or 5", "4\n"),
    "<think>\n\n</think>\n\n4": ("", "4"),
    # the thinking speaks of its own marks
    '<think>the end is "</think>", so\n</think>\n4': ('the end is "</think>", so', "4"),
    "<think>I say 'four'</think>four": ("I say 'four'", "four"),
    # an answer keeps its indentation
    "<think>a</think>\n\n    return 4\n": ("a", "    return 4\n"),
    # no thinking at all
    "4": ("", "4"),
    " \n4 \n": ("", " \n4 \n"),
    "": ("", ""),
    "Use the <think> tag.": ("", "Use the <think> tag."),
    "I think <b>so</b>, </div>": ("", "I think <b>so</b>, </div>"),
    'def f(s):\n    return re.sub(r"<think>.*?</think>", "", s)\n': (
        "",
        'def f(s):\n    return re.sub(r"<think>.*?</think>", "", s)\n',
    ),
    "return s.split('</think>')[-1]": ("", "return s.split('</think>')[-1]"),
    'text.partition("</think>\\n")': ("", 'text.partition("</think>\\n")'),
    "A turn ends with <|end|> there.": ("", "A turn ends with <|end|> there."),
    "Write `<thinking>` and `</thinking>`.": ("", "Write `<thinking>` and `</thinking>`."),
    FENCED: ("", FENCED),
}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:30].replace("\n", " "))
def test_thinking_and_answer_are_told_apart(text):
    found = written(text)
    assert (found.reasoning, found.text) == TEXTS[text]


def test_what_the_prompt_has_opened_is_thinking_without_any_mark():
    marks = COMMON[0]
    assert written("Is it 3? No, 4", opened=marks).text == ""
    assert written("a\n</think>\n\n4", opened=marks).text == "4"
    # it is the prompt's marks that end it, and no others
    assert written("a [/THINK] b\n</think>\n4", opened=marks).text == "4"


MARKED = st.lists(
    st.one_of(
        st.sampled_from([mark for marks in COMMON for mark in (marks.open, marks.close, *marks.headers) if mark]),
        st.sampled_from(["\n", " ", "```", "'", '"', "`", "4", "Paris", "<", "</", "think>"]),
        st.text(max_size=5),
    ),
    max_size=12,
).map("".join)


@given(MARKED, st.sampled_from([None, *COMMON]))
def test_the_parts_of_a_text_are_the_text(text, opened):
    parts = parts_of(text, opened=opened)
    assert "".join(part for _, part in parts) == text
    assert all(part for _, part in parts)


MARKS = tuple(mark for marks in COMMON for mark in (marks.open, marks.close, *marks.headers, marks.tail) if mark)


@given(st.text())
def test_a_text_without_marks_is_untouched(text):
    if not any(mark in text for mark in MARKS):
        found = written(text)
        assert (found.text, found.reasoning, found.n_reasoning) == (text, "", 0)


PLAIN = st.text(alphabet=st.characters(blacklist_characters="<>[]|◁▷\"'`\\"))


@given(PLAIN, PLAIN, st.sampled_from(COMMON), st.booleans())
def test_an_answer_behind_a_thinking_is_never_lost(thought, answer, marks, opened):
    text = f"{'' if opened else marks.open}{thought}{marks.close}{''.join(marks.headers[:1])}{answer}"
    found = written(text, opened=marks if opened else None)
    assert found.text.strip() == answer.strip()
    assert found.reasoning == thought.strip()


@given(st.lists(st.text(max_size=4), max_size=20), st.sampled_from([None, COMMON[0]]))
def test_tokens_of_thinking_are_at_most_all_tokens(pieces, opened):
    text, ends = "", []
    for piece in pieces:
        text += piece
        ends.append(len(text))
    assert written(text, opened=opened, ends=ends).n_reasoning <= len(pieces)


def test_tokens_of_thinking_are_those_that_end_in_it_or_in_its_marks():
    pieces = ["<think>", "a", " b", "</think>", "\n\n", "4", "!"]
    ends = [len("".join(pieces[: n + 1])) for n in range(len(pieces))]
    assert written("".join(pieces), ends=ends).n_reasoning == 5


# -- what a template says ----------------------------------------------------------------------------------------------
