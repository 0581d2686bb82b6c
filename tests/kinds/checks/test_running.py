"""Every sample is asked, scored, recorded and counted."""

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ignored, silent
from pytest_slm.core.types import MetricSpec, Verdict
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.context import sha256
from pytest_slm.run.drive import measure


class Watching(Fake):
    """Keeps what it was asked."""

    def __init__(self, spec):
        super().__init__(spec)
        self.asked = []

    def generate(self, requests, *progress):
        self.asked.append(list(requests))
        return super().generate(requests, *progress)


def test_every_sample_is_scored_and_recorded_in_the_order_of_the_file(checks_task, context, fake, records):
    task = checks_task(
        [{"id": "fr", "input": "France?", "target": "Paris"}, {"id": "it", "input": "?", "target": "Rome"}]
    )
    result = measure(task, "", context(fake(text="Paris")))
    assert [(record.doc_id, record.score, record.response) for record in records] == [
        ("fr", 1.0, "Paris"),
        ("it", 0.0, "Paris"),
    ]
    assert (result.metric().value, result.n_scored, result.n_unscored) == (0.5, 2, 0)


def test_a_record_says_what_was_asked_by_hash(checks_task, context, fake, records):
    measure(checks_task([{"id": "1", "input": "France?", "target": "Paris"}]), "", context(fake()))
    assert records[0].prompt_sha256 == sha256("user", "France?")
    assert records[0].target_sha256 == sha256('"Paris"')
    assert (records[0].n_prompt, records[0].finish) == (4, "stop")  # a word and the template's three


def test_all_samples_are_asked_in_one_call(checks_task, context, fake, records, capitals):
    # the engine can only share and pack what it is given together
    backend = fake(Watching)
    measure(checks_task(capitals), "", context(backend))
    assert [record.doc_id for record in records] == [sample["id"] for sample in capitals]
    assert [len(part) for part in backend.asked] == [20]


def test_answers_are_recorded_in_the_order_in_which_they_come(checks_task, context, fake, records, capitals):
    class Backwards(Fake):
        def generate(self, requests, progress=silent, finished=ignored):
            answers = super().generate(requests)
            for number in reversed(range(len(requests))):
                finished(number, answers[number])
            return answers

    backend = fake(Backwards, rules=[{"contains": "Capital of b", "text": "b"}])
    result = measure(checks_task(capitals), "", context(backend))
    assert [record.doc_id for record in records] == [sample["id"] for sample in reversed(capitals)]
    assert [record.doc_id for record in records if record.score] == ["b"]
    assert result.metric().value == 0.05


def test_a_backend_that_tells_nothing_early_is_recorded_at_the_end(checks_task, context, fake, records, capitals):
    class Silent(Fake):
        def generate(self, requests, progress=silent, finished=ignored):
            return super().generate(requests)

    measure(checks_task(capitals), "", context(fake(Silent)))
    assert [record.doc_id for record in records] == [sample["id"] for sample in capitals]


def test_progress_goes_up_to_the_number_of_samples(checks_task, context, fake, capitals):
    told = []
    measure(checks_task(capitals), "", context(fake(), progress=lambda *counts: told.append(counts)))
    assert told == sorted(told)
    assert told[-1] == (20, 20)


def test_what_was_recorded_before_an_engines_error_stays(checks_task, context, fake, records, capitals):
    backend = fake(rules=[{"contains": "Capital of k", "action": "error"}])
    with pytest.raises(BackendError, match="script says"):
        measure(checks_task(capitals), "", context(backend))
    assert len(records) == 10


def test_what_could_not_be_scored_is_recorded_and_counted_apart(checks_task, context, fake, records, capitals):
    extensions = Extensions()
    extensions.scorers.register(
        "half", lambda sample, _: Verdict(value=None if sample.id < "k" else 1.0, answer="", explanation="")
    )
    result = measure(checks_task(capitals, scorer="half"), "", context(fake(), extensions=extensions))
    assert (result.n_scored, result.n_unscored, result.metric().n, result.metric().value) == (10, 10, 10, 1.0)
    assert [record.score for record in records] == [None] * 10 + [1.0] * 10


def test_groups_and_parts_come_from_the_metadata(checks_task, context, fake):
    samples = [
        {"id": str(n), "input": "?", "target": "yes" if n < 2 else "no", "metadata": {"group": g, "depth": d}}
        for n, (g, d) in enumerate([("a", 0), ("a", 25), ("b", 0), ("b", 25)])
    ]
    metrics = (MetricSpec(name="balanced", balance=("a", "b")), MetricSpec(name="of_a", group="a"))
    task = checks_task(samples, metrics=metrics, primary="balanced", breakdown="depth")
    values = {metric.name: metric.value for metric in measure(task, "", context(fake(text="yes"))).metrics}
    assert values == {"balanced": 0.5, "of_a": 1.0, "accuracy[depth=0]": 0.5, "accuracy[depth=25]": 0.5}


def test_the_numbers_depend_on_what_the_provenance_says(checks_task, context, fake, capitals):
    result = measure(checks_task(capitals, source="original", license="CC0"), "", context(fake()))
    assert result.provenance["source"] == "original"
    assert result.provenance["license"] == "CC0"
    assert result.provenance["sampling"] == "greedy"
    other = measure(checks_task(capitals[:-1]), "", context(fake()))
    assert result.provenance["samples_sha256"] != other.provenance["samples_sha256"]


def test_a_missing_capability_is_told_before_anything_is_asked(checks_task, context, fake, capitals):
    with pytest.raises(NotAvailableError, match=r"requires 'chat'.*chat template") as caught:
        measure(checks_task(capitals), "", context(fake(capabilities=["generate"])))
    assert caught.value.slug == "missing-capability"


def test_an_unknown_scorer_is_told_before_anything_is_asked(checks_task, context, fake, capitals):
    backend = fake(Watching)
    with pytest.raises(UsageError, match="Did you mean 'contains'"):
        measure(checks_task(capitals, scorer="contain"), "", context(backend))
    assert backend.asked == []


def test_one_odd_answer_costs_its_own_sample(checks_task, context, fake, records):
    tool = {"function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "any"}}}}}
    odd = {
        "good": '<tool_call>{"name": "f", "arguments": {"x": 5}}</tool_call>',
        "deep": '<tool_call>{"name": "f", "arguments": {"x": ' + "[" * 500 + "]" * 500 + "}}</tool_call>",
        "deeper": "[" * 50_000 + "]" * 50_000,
        "digits": "[f(x=0x" + "f" * 20_000 + ")]",
        "half": '{"name": "f", "arguments": {"x": "\ud800"}}',
        "nul": "[f(x='\0')]",
    }
    samples = [
        {"id": name, "input": f"{name}:", "target": [{"name": "f", "arguments": {"x": [5]}}], "tools": [tool]}
        for name in odd
    ]
    rules = [{"contains": f"{name}:", "text": text} for name, text in odd.items()]
    backend = fake(rules=rules, context_length=1_000_000)
    result = measure(checks_task(samples, scorer="tool_calls", max_tokens=300_000), "", context(backend))
    assert {record.doc_id: record.score for record in records} == {name: float(name == "good") for name in odd}
    assert (result.n_scored, result.outcome) == (len(odd), "passed")
    assert all(record.explanation for record in records)
