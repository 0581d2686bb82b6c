"""A line of a file of samples as people read it, whatever stands in it."""

from __future__ import annotations

import math

import pytest

from pytest_slm.site.samples.reading import Utterance, read_line


def entry(choice, logprob, **marks):
    return {"choice": choice, "logprob": logprob, "is_greedy": False, "n_tokens": 1, **marks}


def test_choices_have_shares_of_probability_and_their_marks():
    response = [entry("yes", math.log(0.3), chosen=True), entry("no", math.log(0.1), right=True)]
    read = read_line({"doc_id": "1", "response": response, "score": 0.0})
    assert [(one.text, round(one.share, 6), one.chosen, one.right) for one in read.choices] == [
        ("yes", 0.75, True, False),
        ("no", 0.25, False, True),
    ]
    assert (read.state, read.wrote) == ("wrong", ())


def test_of_several_forms_the_deciding_one_is_shown():
    forms = [{**entry(c, -1.0), "form": form} for form in ("text", "letters") for c in "AB"]
    both = read_line({"response": forms}).choices
    assert [(one.form, one.share) for one in both] == [("form text", 0.5)] * 2 + [("form letters", 0.5)] * 2
    forms[1]["chosen"] = True
    assert [(one.text, one.form) for one in read_line({"response": forms}).choices] == [("A", ""), ("B", "")]


def test_a_likelihood_that_a_server_did_not_tell_leaves_shares_unknown():
    read = read_line({"response": [entry("a", None), entry("b", -1.0)]})
    assert [(one.logprob, one.share) for one in read.choices] == [(None, None), (-1.0, None)]


def test_texts_of_one_turn_and_of_several():
    said = {"text": "x", "finish": "stop"}
    assert read_line({"response": "x"}).wrote == (Utterance(role="", text="x"),)
    assert [one.role for one in read_line({"response": [said, said]}).wrote] == ["1.", "2."]
    assert [one.role for one in read_line({"response": [[said], [said]]}).wrote] == ["turn 1", "turn 2"]


@pytest.mark.parametrize(
    ("score", "state"),
    [
        *((1, "right"), (0.0, "wrong"), (0.5, "partly"), (2.0**70, "partly")),
        *((None, "unscored"), ("1", "unscored"), (True, "unscored"), (float("nan"), "unscored"), (10**400, "unscored")),
    ],
)
def test_no_score_is_not_wrong(score, state):
    assert read_line({"score": score}).state == state


def test_what_is_hidden_has_no_text_anywhere():
    hurts = "say-what-hurts"
    line = dict.fromkeys(("prompt", "target", "response", "answer", "explanation", "reasoning"), hurts)
    line |= {"prompt": [{"role": "user", "content": hurts}], "doc_id": "7", "score": 1.0, "prompt_sha256": "a" * 64}
    assert hurts in repr(read_line(line))
    read = read_line(line, hide=True)
    assert hurts not in repr(read)
    assert (read.id, read.state, len(read.response_sha256)) == ("7", "right", 16)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        7,
        "text",
        [],
        [[]],
        [1, [2]],
        {"a": {"b": 1}},
        [{"logprob": "x", "choice": []}],
        [{"logprob": 10**400}],
        True,
    ],
)
def test_any_value_anywhere_can_be_read(odd):
    names = ("prompt", "target", "response", "answer", "explanation", "reasoning", "doc_id", "repeat", "n_prompt")
    assert read_line(dict.fromkeys(names, odd)).id


def test_ten_thousand_choices_take_no_time_worth_speaking_of():
    read = read_line({"response": [{**entry("x", -float(n)), "rotation": n} for n in range(10_000)]})
    assert len(read.choices) == 10_000
