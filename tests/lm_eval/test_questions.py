"""The right questions: which rows are asked, in which order they are judged, and what a record of them names."""

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ignored, silent
from pytest_slm.core.request import LogLikelihood
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.kinds import context as surroundings
from pytest_slm.kinds.checking import make_kind
from pytest_slm.run.drive import first_round, measure


def test_records_name_the_rows_that_were_asked(ask, arc, rows, records, fake, hashed, prompt):
    # lm-eval numbers the questions of a sample 0, 1, 2, ...; taken for places in the data set, they name other rows
    backend = fake(hashed)
    ask(arc, backend, limit=30)
    assert len(records) == 30
    indices = [record.metadata["index"] for record in records]
    assert indices != list(range(30))
    asked = {question for question, _ in backend.pairs}
    for record, index in zip(records, indices, strict=True):
        row = rows[index]
        assert record.doc_id == row["id"]
        assert prompt(row) in asked
        assert [choice["choice"] for choice in record.response] == row["choices"]["text"]
        place = row["choices"]["label"].index(row["answerKey"])
        assert record.target_sha256 == surroundings.sha256(f'"{place}"')


def test_a_limit_is_a_total_and_a_seed_decides_which(ask, arc, records):
    chosen = []
    for settings in ({"seed": 1}, {"seed": 1}, {"seed": 2}):
        records.clear()
        result = ask(arc, limit=12, **settings)
        chosen.append([record.metadata["index"] for record in records])
        assert (result.n_scored, result.metric().n, result.seed) == (12, 12, settings["seed"])
    assert chosen[0] == chosen[1] != chosen[2]
    assert all(part == sorted(set(part)) and len(part) == 12 for part in chosen)


def test_without_a_limit_every_row_is_asked(ask, arc, rows, records):
    result = ask(arc, mode="full")
    assert result.n_scored == len(rows) == result.provenance["docs"]
    assert [record.metadata["index"] for record in records] == list(range(len(rows)))


def test_progress_goes_up_to_the_number_of_questions(ask, arc):
    told = []
    ask(arc, limit=20, progress=lambda *counts: told.append(counts))
    assert told == [(done, 20) for done in range(1, 21)]


def test_what_was_judged_before_an_engines_error_stays(ask, arc, fake, records, hashed):
    class Breaking(hashed):
        def loglikelihood(self, pairs, progress=silent, finished=ignored):
            answers = super().loglikelihood(pairs)
            for number in range(100):
                finished(number, answers[number])
            raise BackendError("broken")

    with pytest.raises(BackendError, match="broken"):
        ask(arc, fake(Breaking), limit=60)
    # 100 answers are 20 questions with 5 choices, or 33 with 3; one that is half answered is not judged
    assert 20 <= len(records) <= 33


def test_answers_in_any_order_make_the_same_result(ask, arc, fake, hashed):
    class Backwards(hashed):
        def loglikelihood(self, pairs, progress=silent, finished=ignored):
            answers = super().loglikelihood(pairs)
            for number in reversed(range(len(pairs))):
                finished(number, answers[number])
            return answers

    one, other = (ask(arc, fake(kind), limit=30) for kind in (hashed, Backwards))
    assert one.metrics == other.metrics


def test_a_plan_counts_questions_and_not_choices(arc, context, fake, mirror):
    # of ARC's questions some have three choices and some five
    asked = first_round(make_kind(arc, "", context(fake(), data=str(mirror), limit=200, mode="full")), 256)
    assert asked.samples == 200
    assert len(asked.pairs) != 800


def test_letters_that_are_not_told_leave_a_question_unscored(built_in, context, mirror, fake, records):
    pytest.importorskip("lm_eval", reason="needs pip install 'pytest-slm[lm-eval]'")

    class Lettered(Fake):
        def loglikelihood(self, pairs, *progress):
            known = {" A": -1.0, " B": None, " C": -2.0, " D": None}
            asked = list(dict.fromkeys(question for question, _ in pairs))
            told = [None if asked.index(question) == 0 else known[letter] for question, letter in pairs]
            return [LogLikelihood(logprob=one, is_greedy=False, n_tokens=1) for one in told]

    backend = fake(Lettered)
    backend.capabilities = frozenset({"letters"})
    result = measure(built_in("reasoning/mmlu"), "", context(backend, data=str(mirror), offline=True, limit=12))
    assert (result.n_scored, result.n_unscored) == (11, 1)
    assert {record.answer for record in records} == {"", "A"}
    # Whole texts are another matter.
    with pytest.raises(NotAvailableError, match="missing-capability"):
        measure(built_in("reasoning/arc_challenge"), "", context(backend, data=str(mirror)))
