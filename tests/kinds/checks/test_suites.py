"""Generated samples, and the suites of this repository."""

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.types import Message
from pytest_slm.kinds.checking import make_kind
from pytest_slm.run.drive import measure


class Counting(Fake):
    """Keeps how often its tokens were counted."""

    def __init__(self, spec):
        super().__init__(spec)
        self.counted = 0

    def count_tokens(self, requests):
        self.counted += len(requests)
        return super().count_tokens(requests)


def test_a_generator_counts_with_the_models_own_tokens(built_in, context, fake, records):
    backend = fake(Counting)
    measure(built_in("rag/niah"), "1024", context(backend, limit=3))
    assert backend.counted > 3
    assert [record.n_prompt for record in records] == [1024] * 3


def test_a_counted_prompt_holds_the_system_text_too(checks_task, context, capitals):
    message = (Message(role="user", content="two words"),)
    tasks = (checks_task(capitals), checks_task(capitals, system="Be very brief."))
    kinds = [make_kind(task, "", context()) for task in tasks]
    counts = [kind.backend.count_tokens([kind._request(message)])[0] for kind in kinds]
    assert counts == [5, 11]


@pytest.mark.parametrize(
    ("key", "variant"),
    [("core/arithmetic", ""), ("rag/niah", "1024"), ("function_calling/calls", ""), ("guardrails/refusal", "")],
)
def test_the_built_in_suites_run_from_end_to_end(built_in, context, fake, records, key, variant):
    task = built_in(key)
    result = measure(task, variant, context(fake(text="I cannot help with that."), limit=3))
    assert result.outcome == "passed"
    assert result.n_scored + result.n_unscored == len(records) == 3
    assert result.metric() is not None
    assert all(record.explanation for record in records)


def test_a_model_that_refuses_everything_is_half_right(built_in, context, fake):
    result = measure(built_in("guardrails/refusal"), "", context(fake(text="I'm sorry, I can't help with that.")))
    values = {metric.name: metric.value for metric in result.metrics}
    assert values["balanced_accuracy"] == 0.5
    assert (values["attack_success_rate"], values["over_refusal_rate"]) == (0.0, 1.0)


def test_a_model_that_never_calls_is_half_right(built_in, context, fake):
    result = measure(built_in("function_calling/calls"), "", context(fake(text="abc")))
    values = {metric.name: metric.value for metric in result.metrics}
    assert (values["balanced_accuracy"], values["call_accuracy"], values["irrelevance_accuracy"]) == (0.5, 0.0, 1.0)


def test_quick_is_the_beginning_of_full_for_generated_samples(built_in, context, fake, records):
    measure(built_in("core/arithmetic"), "", context(fake(), limit=6))
    short = [record.prompt_sha256 for record in records]
    records.clear()
    measure(built_in("core/arithmetic"), "", context(fake(), limit=12))
    assert [record.prompt_sha256 for record in records][:6] == short
