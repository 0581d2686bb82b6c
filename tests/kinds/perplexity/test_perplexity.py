"""The same words after contexts of every length: nats a token, with the interval of a ratio."""

import json
import math

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import MetricSpec, Task
from pytest_slm.errors import NotAvailableError, UsageError
from pytest_slm.run.drive import measure

WORDS = [f"w{number}" for number in range(3000)]


class Reading(Fake):
    """Finds a word likelier the more words stand before it, and remembers what it was asked."""

    asked: list[tuple[str, str]]

    def loglikelihood(self, pairs, progress=lambda *_: None, finished=lambda *_: None):
        type(self).asked = list(pairs)
        return [
            LogLikelihood(
                logprob=-len(tail.split()) * 10 / math.log(len(head.split())),
                is_greedy=False,
                n_tokens=len(tail.split()),
                n_prompt=len(head.split()),
            )
            for head, tail in pairs
        ]


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    lines = [json.dumps({"text": " ".join(WORDS[start : start + 500])}) for start in range(0, 3000, 500)]
    (folder / "text.jsonl").write_text("\n".join(lines))
    return folder


def task(**options):
    return Task(
        name="perplexity",
        suite="long",
        kind="perplexity",
        description="",
        primary="token_probability",
        metrics=(MetricSpec(name="token_probability"),),
        requires=("loglikelihood", "tokens"),
        variants={str(n): {"context_tokens": n} for n in (64, 512, 1024, 4096, 9000)} | {"none": {}},
        options={"text": "text.jsonl", "words": 20, "after": 2000, "every": 100, **options},
    )


def test_the_same_words_stand_behind_more_and_more_of_the_text(fake, context, mirror):
    tails, results = [], []
    for variant in ("64", "512", "1024"):
        model = fake(Reading)
        results.append(measure(task(), variant, context(model, data=str(mirror))))
        for head, tail in Reading.asked:
            shown = f"{head}{tail}".split()
            first = WORDS.index(shown[0])
            assert shown == WORDS[first : first + len(shown)]
            assert int(variant) - 4 <= len(shown) + 4 <= int(variant)
        tails.append([tail for _, tail in Reading.asked])
    assert tails[0] == tails[1] == tails[2]
    nats = [result.metric("nats_per_token") for result in results]
    assert [metric.value for metric in nats] == sorted((metric.value for metric in nats), reverse=True)
    assert {metric.n for metric in nats} == {10}
    assert all(metric.interval[0] <= metric.value <= metric.interval[1] for metric in nats)


def test_the_share_is_the_mean_of_the_samples_so_that_runs_can_be_compared(fake, context, mirror, records):
    result = measure(task(), "512", context(fake(Reading), data=str(mirror)))
    share = result.metric()
    assert share.unit == "share"
    assert share.value == pytest.approx(sum(record.score for record in records) / len(records))
    rate = result.metric("nats_per_token").value
    assert result.metric("perplexity").value == pytest.approx(math.exp(rate))
    assert result.provenance["tokens"] == 200


def test_one_segment_has_no_interval(fake, context, mirror):
    result = measure(task(), "512", context(fake(Reading), data=str(mirror), limit=1))
    assert result.metric("nats_per_token").interval is None


@pytest.mark.parametrize(
    ("variant", "options", "words", "slug"),
    [
        ("9000", {}, "do not fit into the context of 8192", "context-too-short"),
        ("64", {"words": 100, "every": 100}, "too few for a segment", "perplexity-text"),
        ("4096", {}, "more than the text has", "perplexity-text"),
        ("64", {"after": 5000}, "no segment after the first 5000", "perplexity-text"),
        ("64", {"text": "other.jsonl"}, "is not there", "perplexity-text"),
    ],
)
def test_what_there_is_no_text_or_room_for_is_skipped(fake, context, mirror, variant, options, words, slug):
    with pytest.raises(NotAvailableError, match=words) as caught:
        measure(task(**options), variant, context(fake(Reading, context_length=8192), data=str(mirror)))
    assert caught.value.slug == slug


def test_without_a_mirror_it_is_skipped(fake, context):
    with pytest.raises(NotAvailableError, match="--slm-data"):
        measure(task(), "64", context(fake(Reading)))


@pytest.mark.parametrize("text", ["no json", '{"words": 1}', "[1]", '"x"', "[" * 3000])
def test_a_broken_text_is_one_line(fake, context, mirror, text):
    (mirror / "text.jsonl").write_text(text)
    with pytest.raises(UsageError, match="the text cannot be read"):
        measure(task(), "64", context(fake(Reading), data=str(mirror)))


def test_a_variant_without_a_length_is_an_error(fake, context, mirror):
    with pytest.raises(UsageError, match="context_tokens") as caught:
        measure(task(), "none", context(fake(Reading), data=str(mirror)))
    assert caught.value.slug == "perplexity-variant"


@pytest.mark.parametrize("options", [{"words": 0}, {"every": 10}, {"after": 3}, {"text": "../x"}])
def test_options_that_cannot_be_meant(fake, context, mirror, options):
    with pytest.raises(UsageError):
        measure(task(**options), "64", context(fake(Reading), data=str(mirror)))
