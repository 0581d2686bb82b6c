"""IFEval through lm-eval, on rows of our own: strict and loose, by prompt and by instruction, and what it needs."""

from __future__ import annotations

import sys

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.types import Generation
from pytest_slm.errors import NotAvailableError
from pytest_slm.run.drive import measure

datasets = pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[lm-eval]'")

NO_COMMA, CAPITALS = "punctuation:no_comma", "change_case:english_capital"
FORMAT, WORDS, END = "detectable_format:title", "length_constraints:number_words", "startend:end_checker"
ROWS = [
    ([NO_COMMA], [{}]),
    ([NO_COMMA, WORDS], [{}, {"relation": "at least", "num_words": 5}]),
    ([FORMAT, END], [{}, {"end_phrase": "That is all."}]),
    (["detectable_format:json_format"], [{}]),
]
ANSWERS = [
    "One, two.",  # a comma: nothing is followed
    "Seven words stand here without any sign.",  # both
    "<<Title>>\nText.\n**That is all.**",  # the end only without the asterisks: loose
    'Sure:\n{"a": 1}',  # JSON behind a first line: loose
]


@pytest.fixture
def own_rows(ifeval_mirror):
    return ifeval_mirror(ROWS)


class Answering(Fake):
    """Answers each prompt with the text of its number."""

    def generate(self, requests, *more):
        texts = [ANSWERS[int(request.messages[-1].content.split()[-1].rstrip("."))] for request in requests]
        return [Generation(text=text, n_prompt=1, n_output=9, finish="stop") for text in texts]


def test_instructions_are_counted_as_lm_evals_checkers_do(lm_eval, nltk_data, own_rows, built_in, context, fake):
    result = measure(built_in("instruction_following/ifeval"), "", context(fake(Answering), data=own_rows))
    values = {metric.name: metric.value for metric in result.metrics}
    # strictly: the second prompt, and its two instructions and the title; loosely also what the asterisks and the
    # first line hide
    assert values == {
        "prompt_level_strict_acc": pytest.approx(1 / 4),
        "inst_level_strict_acc": pytest.approx(3 / 6),
        "prompt_level_loose_acc": pytest.approx(3 / 4),
        "inst_level_loose_acc": pytest.approx(5 / 6),
    }
    assert all(metric.interval is not None for metric in result.metrics)
    # the same by lm-eval's own functions, prompt by prompt
    from lm_eval.tasks.ifeval import utils

    followed = []
    for (ids, given), answer in zip(ROWS, ANSWERS, strict=True):
        example = utils.InputExample(key=0, instruction_id_list=ids, prompt="", kwargs=given)
        checks = (utils.test_instruction_following_strict, utils.test_instruction_following_loose)
        followed.append([check(example, answer).follow_all_instructions for check in checks])
    assert followed == [[False, False], [True, True], [False, True], [False, True]]


def test_data_of_nltk_are_named_and_never_fetched(
    lm_eval, nltk_data, own_rows, built_in, context, monkeypatch, no_network
):
    monkeypatch.setattr(nltk_data.data, "path", [])
    for name in [name for name in sys.modules if name.startswith("lm_eval.tasks.ifeval")]:
        monkeypatch.delitem(sys.modules, name)
    theirs = nltk_data.download
    with pytest.raises(NotAvailableError, match=r"python -m nltk\.downloader punkt_tab") as caught:
        measure(built_in("instruction_following/ifeval"), "", context(data=own_rows))
    assert caught.value.slug == "nltk-data"
    assert nltk_data.download is theirs


@pytest.mark.parametrize("package", ["langdetect", "immutabledict", "nltk"])
def test_a_package_that_is_missing_is_a_skip_with_its_command(
    lm_eval, nltk_data, own_rows, built_in, context, monkeypatch, package
):
    for name in [name for name in sys.modules if name.startswith("lm_eval.tasks.ifeval")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(NotAvailableError, match=f"pip install {package}"):
        measure(built_in("instruction_following/ifeval"), "", context(data=own_rows))


def test_without_the_data_the_item_is_skipped_with_the_remedy(lm_eval, nltk_data, built_in, context, tmp_path):
    with pytest.raises(NotAvailableError, match="google/IFEval"):
        measure(built_in("instruction_following/ifeval"), "", context(data=str(tmp_path), offline=True))
