"""Thirteen tasks of the length that they say, the same for the same seed, and right answers only for who reads."""

from __future__ import annotations

import json
import re

import pytest

from pytest_slm.core.types import Generation
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.generators.ruler import RULER, templates, words
from pytest_slm.scorers.rules.string_match import STRING_MATCH

SLACK = {
    "niah_single_1": 120, "niah_multikey_2": 90, "niah_multikey_3": 140, "vt": 120, "cwe": 90, "fwe": 60, "qa_1": 140,
}  # fmt: skip
"""Characters less than one more line, word or document; essays are filled word by word."""


def answered(text):
    return Generation(text=text, n_prompt=1, n_output=1, finish="length")


def test_there_are_the_thirteen_of_ruler(names):
    assert len(names) == 13
    assert {name for name in names if name.startswith("niah_")} == {
        *(f"niah_single_{n}" for n in (1, 2, 3)),
        *(f"niah_multikey_{n}" for n in (1, 2, 3)),
        *("niah_multivalue", "niah_multiquery"),
    }


@pytest.mark.parametrize("count", ["words", "quarters", "characters", "merging"])
def test_prompt_prefix_and_answer_fit_into_the_length(names, task, made, length, count):
    tokens = 16_384 if count == "characters" else 2048
    for name in names:
        to_generate = task(name).options["max_tokens"]
        lengths = [length(sample, count, to_generate) for sample in made(name, tokens, 4, count=count)]
        assert max(lengths) <= tokens, name
        if count != "merging" and name != "qa_2":
            slack = SLACK.get(name, 20)
            assert min(lengths) >= tokens - (slack if count != "characters" else 10 * slack), name


def test_an_answer_with_the_targets_gets_everything_and_none_gets_nothing(names, task, made):
    for name in names:
        one = task(name)
        options = STRING_MATCH.options.from_json(one.scoring)
        for sample in made(name, 1024):
            (right,) = STRING_MATCH.right(sample, options)
            assert STRING_MATCH.judge(sample, answered(right), options).value == 1
            for nothing in ("", " ", "I do not know.", "\x00"):
                assert STRING_MATCH.judge(sample, answered(nothing), options).value == 0
            # what was asked, given back, is no answer
            question = sample.messages()[-1].content
            if not name.startswith("qa"):
                assert STRING_MATCH.judge(sample, answered(question), options).value == 0


def test_what_is_asked_for_stands_in_the_prompt(names, made):
    for name in names:
        for sample in made(name, 1024):
            question = sample.messages()[0].content
            assert all(str(target) in question for target in sample.target), name


def test_a_smaller_limit_gives_the_beginning_and_a_seed_other_samples(names, made):
    for name in names:
        eight = made(name, 1024, 8)
        assert made(name, 1024, 3) == eight[:3]
        assert made(name, 1024, 8) == eight
        others = made(name, 1024, 8, seed=1)
        assert [one.input for one in others] != [one.input for one in eight]
        assert len({one.id for one in eight}) == len(eight) == 8


def test_the_same_things_are_asked_in_every_length(names, made):
    # so that lengths are compared on the same needles
    for name in names:
        short, long = made(name, 1024), made(name, 2048)
        assert [one.target for one in short] == [one.target for one in long], name
        assert [one.input for one in short] != [one.input for one in long], name


def test_the_answer_is_begun_by_the_prefix_of_the_task(names, made):
    for name in names:
        for sample in made(name, 1024):
            user, assistant = sample.messages()
            assert (user.role, assistant.role) == ("user", "assistant")
            assert assistant.content.startswith((" The special magic", " Answer:"))
            assert "{" not in assistant.content


@pytest.mark.parametrize(
    ("name", "needles"), [("niah_single_2", 1), ("niah_multikey_1", 4), ("niah_multivalue", 4), ("niah_multiquery", 4)]
)
def test_needles_are_as_many_as_the_task_says(made, name, needles):
    for sample in made(name, 2048):
        question = sample.messages()[0].content
        assert len(re.findall(r"One of the special magic numbers for [\w ñ-]+ is: \d{7}\.", question)) == needles


def test_one_value_is_asked_for_in_the_singular(made):
    one, many = made("niah_single_3", 1024)[0], made("niah_multivalue", 1024)[0]
    assert "What is the special magic uuid for" in one.messages()[0].content
    assert one.messages()[1].content.endswith("in the provided text is")
    assert "What are all the special magic numbers for" in many.messages()[0].content


def test_the_needle_is_at_its_depth(made):
    for name in ("niah_single_1", "niah_single_2", "niah_multikey_2"):
        for sample in made(name, 4096, 12):
            text = sample.messages()[0].content
            share = 100 * text.index(str(sample.target[0])) / len(text)
            assert share == pytest.approx(sample.metadata["depth"], abs=18), sample.id


def test_a_chain_gives_all_its_variables_one_value(made):
    for sample in made("vt", 1024):
        text = sample.messages()[0].content.rpartition("Memorize and track")[2]
        (value,) = re.findall(r"assigned the value (\d{5}) in", text)
        found = dict(re.findall(r"VAR (\w{5}) = (?:VAR )?(\w+)", text))
        for name in sample.target:
            while name in found:
                name = found[name]
            assert name == value
        example = sample.messages()[0].content.partition("Memorize and track the chain(s)")[2]
        assert len(set(re.findall(r"VAR ([A-Z]{3}) =", example))) == 5


@pytest.mark.parametrize(("tokens", "often", "rarely"), [(2048, 6, 1), (6000, 30, 3)])
def test_common_words_come_often_and_others_rarely(made, tokens, often, rarely):
    for sample in made("cwe", tokens, 3):
        listed = sample.messages()[0].content.rpartition("Below is a numbered list")[2]
        found = re.findall(r"\d+\. (.+?)(?= \d+\. |\n)", listed.partition("ones that appear most often.\n")[2])
        times = {word: found.count(word) for word in set(found)}
        assert {word for word, n in times.items() if n == often} == set(sample.target)
        assert {n for word, n in times.items() if word not in sample.target} == {rarely}


def test_the_three_most_frequent_coded_words_are_the_answer(made):
    for tokens in (512, 4096):
        for sample in made("fwe", tokens):
            coded = re.findall(
                r"\b[a-z]{6}\b", sample.messages()[0].content.partition("coded words. ")[2].partition("\nQ")[0]
            )
            ranked = sorted(set(coded), key=coded.count, reverse=True)
            assert ranked[:3] == list(sample.target)
            assert coded.count(ranked[2]) > coded.count(ranked[3])


def test_a_question_has_its_document_and_those_of_its_article_first(made):
    for sample in made("qa_1", 2048):
        text = sample.messages()[0].content
        town = re.findall(r"river of town (\d+)\?", text)[0]
        assert f"The river of town {town} is" in text
        assert len(re.findall(r"^Document \d+:$", text, re.MULTILINE)) == sample.metadata["documents"] > 3
        assert sample.cluster


def test_essays_of_the_mirror_are_taken_and_named(context, tmp_path):
    (tmp_path / "ruler").mkdir()
    lines = [json.dumps({"text": f"Essay {n} begins here.  It\nhas two lines. " * 30}) for n in range(3)]
    (tmp_path / "ruler" / "paul_graham_essays.jsonl").write_text("\n".join(lines))
    mine, ours = context("niah_single_2", 1024, mirror=tmp_path), context("niah_single_2", 1024)
    (sample, *_), (other, *_) = list(RULER.make(mine)), list(RULER.make(ours))
    assert "Essay 0 begins here. It has two lines." in sample.messages()[0].content
    assert (mine.facts["haystack"], ours.facts["haystack"]) == ("essays", "own")
    assert mine.facts["haystack_sha256"] != ours.facts["haystack_sha256"]
    assert mine.facts["words"] == f"wonderwords {words.VERSION}"
    assert sample.target == other.target


@pytest.mark.parametrize(
    "text",
    ["", "no json", '{"text": 5}', '{"words": "x"}', '{"text": "   "}', '{"text": "a", "text": "b"}', "[" * 5000],
)
def test_essays_that_cannot_be_read_are_one_line(context, tmp_path, text):
    (tmp_path / "ruler").mkdir()
    (tmp_path / "ruler" / "paul_graham_essays.jsonl").write_text(text)
    with pytest.raises(UsageError, match="the haystack cannot be read") as caught:
        list(RULER.make(context("niah_single_2", 1024, mirror=tmp_path)))
    assert caught.value.slug == "ruler-haystack"


def test_a_changed_or_missing_haystack_of_ours_is_an_error(context, tmp_path):
    for write in (lambda path: None, lambda path: path.write_text("Other sentences. ")):
        (tmp_path / "data").mkdir(exist_ok=True)
        write(tmp_path / "data" / "haystack.txt")
        with pytest.raises(UsageError) as caught:
            list(RULER.make(context("niah_single_2", 1024, folder=tmp_path)))
        assert caught.value.slug in ("ruler-haystack", "samples-changed")


def test_a_length_without_room_for_what_every_prompt_has_is_a_skip(names, made):
    for name in names:
        with pytest.raises(NotAvailableError, match="tokens are too few") as caught:
            made(name, 150, count="quarters")
        assert caught.value.slug == "ruler-length"
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variant", [{}, {"max_seq_length": "1024"}, {"max_seq_length": True}, {"context_tokens": 9}])
def test_a_variant_without_a_length_is_an_error(made, variant):
    with pytest.raises(UsageError, match="max_seq_length") as caught:
        made("vt", 0, variant=variant)
    assert caught.value.slug == "ruler-variant"


def test_questions_that_are_longer_than_the_prompt_are_passed_over(made, length):
    # ten paragraphs take 150 words: of the short ones there are enough, and the others are no error
    samples = made("qa_2", 330, 5)
    assert samples
    assert all(length(sample, "words", 32) <= 330 for sample in samples)


def test_other_words_than_the_pinned_are_a_skip_with_the_command(made, monkeypatch):
    monkeypatch.setattr(words, "VERSION", "2.2.0")
    words._lists.cache_clear(), words.adjectives_and_nouns.cache_clear(), words.vocabulary.cache_clear()
    for name in ("niah_single_1", "cwe"):
        with pytest.raises(NotAvailableError, match=r"pip install 'pytest-slm\[ruler\]'") as caught:
            made(name, 1024)
        assert caught.value.slug == "ruler-words"
    assert made("fwe", 1024)
    assert made("vt", 1024)


def test_without_the_package_it_is_the_same(made, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    words._lists.cache_clear(), words.adjectives_and_nouns.cache_clear()
    with pytest.raises(NotAvailableError, match="no version is installed"):
        made("niah_single_1", 1024)


def test_a_list_that_is_too_short_for_a_length_is_a_skip(made):
    with pytest.raises(NotAvailableError, match="all 8166 words"):
        made("cwe", 200_000, 1)


def test_without_the_rows_it_is_a_skip(made):
    with pytest.raises(NotAvailableError) as caught:
        made("qa_2", 2048, rows={})
    assert caught.value.slug == "data-unreachable"


@pytest.mark.parametrize(
    "broken", [{"id": "q1"}, {"id": ""}, {"id": None}, {"answers": None}, {"context": None, "answers": 5}]
)
def test_rows_that_are_no_questions_are_one_line(made, broken):
    good = [
        {"id": f"q{n}", "title": "T", "context": f"C {n}", "question": "Q?", "answers": {"text": ["C"]}}
        for n in range(3)
    ]
    with pytest.raises(BackendError, match="lighteval/squad_v2: ") as caught:
        made("qa_1", 1024, rows={"lighteval/squad_v2": [*good, {**good[0], "id": "new", **broken}]})
    assert caught.value.slug == "data-broken"


def test_no_sample_without_a_limit(made):
    with pytest.raises(UsageError) as caught:
        made("vt", 1024, None)
    assert caught.value.slug == "generator-limit"


def test_the_templates_have_the_fields_that_are_filled():
    for template in (templates.NIAH, templates.VARIABLE_TRACKING, templates.COMMON_WORDS, templates.QA):
        assert "{context}" in template.question
        assert template.answer_prefix.startswith(" ")
