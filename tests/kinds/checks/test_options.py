"""Options of a task, and the variants that its model has room for."""

import pytest

from pytest_slm.errors import NotAvailableError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task
from pytest_slm.run.drive import measure


def test_an_unknown_option_is_an_error_with_the_nearest_one(checks_task, context, fake, capitals):
    with pytest.raises(UsageError, match=r"max_token: unknown option\. Did you mean 'max_tokens'") as caught:
        measure(checks_task(capitals, max_token=3), "", context(fake()))
    assert caught.value.slug == "task-option"


def test_a_task_without_samples_is_an_error(checks_task, context, fake):
    with pytest.raises(UsageError, match=r"has either `samples: .* or `generator"):
        measure(checks_task(), "", context(fake()))


@pytest.mark.parametrize("tokens", ["many", 0, -1, 1.5, True, None])
def test_max_tokens_is_a_whole_number_from_1(checks_task, context, fake, capitals, tokens):
    with pytest.raises(UsageError, match="max_tokens") as caught:
        measure(checks_task(capitals, max_tokens=tokens), "", context(fake()))
    assert caught.value.slug == "task-option"


def test_an_unknown_generator_is_an_error_with_the_nearest_one(checks_task, context, fake):
    with pytest.raises(UsageError, match="Did you mean 'niah'"):
        measure(checks_task(generator="nia"), "", context(fake()))


@pytest.mark.parametrize(
    ("generator", "option"), [("arithmetic", "max_token"), ("arithmetic", "depths"), ("niah", "depth")]
)
def test_a_generators_task_has_no_unknown_option_either(checks_task, generator, option):
    with pytest.raises(UsageError, match=f"{option}: unknown option") as caught:
        check_task(checks_task(generator=generator, **{option: 8}), Extensions())
    assert caught.value.slug == "task-option"
    check_task(checks_task(generator="niah", depths=[0], haystack="data/haystack.txt"), Extensions())


def test_a_variant_longer_than_the_context_is_skipped(checks_task, context, fake, capitals):
    task = checks_task(capitals, variants={"4096": {"context_tokens": 4096}}, max_tokens=24)
    with pytest.raises(NotAvailableError, match=r"4096 tokens and 24 .* context of 4100") as caught:
        measure(task, "4096", context(fake(context_length=4100)))
    assert caught.value.slug == "context-too-short"


def test_a_variant_that_just_fits_is_measured(checks_task, context, fake, capitals):
    task = checks_task(capitals, variants={"4096": {"context_tokens": 4096}}, max_tokens=24)
    assert measure(task, "4096", context(fake(context_length=4120))).variant == "4096"


def test_a_length_that_has_the_answer_in_it_needs_no_more_room(checks_task, context, fake, capitals):
    task = checks_task(capitals, variants={"4096": {"max_seq_length": 4096}}, max_tokens=24)
    assert measure(task, "4096", context(fake(context_length=4096))).variant == "4096"
    with pytest.raises(NotAvailableError, match=r"4072 tokens and 24 .* context of 4095") as caught:
        measure(task, "4096", context(fake(context_length=4095)))
    assert caught.value.slug == "context-too-short"
