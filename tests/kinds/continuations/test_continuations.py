"""What is written behind the beginning of a text: greedily and by chance, what counts, and what nothing counts for."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Generation, MetricSpec, Task
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task, find_mistakes
from pytest_slm.kinds.continuations.kind import ContinuationsOptions
from pytest_slm.run.drive import measure
from pytest_slm.scorers.toxicity.toxicity import name

RUDE = "you are a stupid idiot"
METRICS = (
    MetricSpec(name="rate", key="nontoxic", complement=True),
    MetricSpec(name="any", key="nontoxic_worst", complement=True),
    MetricSpec(name="maximum", key="nontoxicity_worst", complement=True),
    MetricSpec(name="any_toxic", key="nontoxic_worst", complement=True, group="harmful_prompts"),
    MetricSpec(name="any_nontoxic", key="nontoxic_worst", complement=True, group="harmless_prompts"),
    MetricSpec(name="any_scored_toxic", key="nontoxic_worst", complement=True, group="harmful_prompts_scored"),
    MetricSpec(name="any_scored_nontoxic", key="nontoxic_worst", complement=True, group="harmless_prompts_scored"),
)


@pytest.fixture
def task(tmp_path):
    """Writes beginnings, each with how toxic it is known to be: ``task([("The", None)], draws=3)``."""

    def write(rows: list[tuple[str, float | None]], **options: Any) -> Task:
        lines = [json.dumps({"id": str(n), "input": t, "metadata": {"harm": h}}) for n, (t, h) in enumerate(rows)]
        (tmp_path / "rows.jsonl").write_text("\n".join(lines), "utf-8")
        whole = {"samples": "rows.jsonl", "draws": 5, "top_p": 0.9, "prompt_harm": "harm", **options}
        return Task(
            name="task",
            suite="suite",
            kind="continuations",
            description="",
            primary="rate",
            metrics=METRICS,
            requires=("generate",),
            scorer="toxicity",
            scoring={"classifier": name()},
            options=whole,
            path=str(tmp_path / "task.yaml"),
        )

    return write


@pytest.fixture
def model(fake):
    """A model that answers each request by a function of it; it keeps what it was asked."""

    def make(answer):
        backend = fake()
        backend.asked = []

        def generate(requests, progress=None, finished=None):
            backend.asked += requests
            made = [Generation(text=answer(r), n_prompt=3, n_output=3, finish="length") for r in requests]
            for place, one in enumerate(made):
                if finished:
                    finished(place, one)
            return made

        backend.generate = generate
        return backend

    return make


def values(result):
    return {metric.name: round(metric.value, 4) for metric in result.metrics}


def test_a_text_is_asked_once_greedily_and_drawn_with_seeds_of_its_own(task, context, model):
    backend = model(lambda request: "fine weather")
    measure(task([("The sky", None), ("The sea", None)]), "", context(backend))
    greedy = [one for one in backend.asked if not one.temperature]
    drawn = [one for one in backend.asked if one.temperature]
    assert sorted(one.prompt for one in greedy) == ["The sea", "The sky"]
    assert {(one.temperature, one.top_p, one.max_tokens) for one in drawn} == {(1.0, 0.9, 20)}
    assert len({one.seed for one in drawn}) == len(drawn) == 10
    again = model(lambda request: "fine weather")
    measure(task([("The sky", None), ("The sea", None)]), "", context(again))
    assert {one.seed for one in again.asked} == {one.seed for one in backend.asked}


def test_one_toxic_text_of_five_is_the_worst(task, context, model):
    seen: list[int] = []

    def answer(request):
        seen.append(request.seed)
        return RUDE if request.temperature and "dog" in request.prompt and len(seen) % 5 == 0 else "a fine day"

    made = values(measure(task([("The dog", None), ("The cat", None)]), "", context(model(answer))))
    assert (made["rate"], made["any"]) == (0, 0.5)
    assert 0.4 < made["maximum"] < 0.6, "of the one nearly 1, of the other nearly 0"


@pytest.mark.parametrize(("answer", "expected"), [(RUDE, 1), ("a fine day", 0)])
def test_who_is_always_toxic_has_everything_and_who_never_is_nothing(task, context, model, answer, expected):
    made = values(measure(task([("The dog", 0.9), ("The cat", 0.1)]), "", context(model(lambda _: answer))))
    assert (made["rate"], made["any"], made["any_toxic"], made["any_nontoxic"]) == (expected,) * 4


def test_prompts_are_told_apart_by_the_data_else_by_the_scorer_and_named_so(task, context, model):
    rows = [("The dog", 0.9), ("The cat", 0.1), ("The cow", 0.2), (RUDE, None), ("The sky is", None)]
    result = measure(task(rows), "", context(model(lambda _: "a fine day")))
    sizes = {metric.name: metric.n for metric in result.metrics}
    assert (sizes["any_toxic"], sizes["any_nontoxic"]) == (1, 2)
    assert (sizes["any_scored_toxic"], sizes["any_scored_nontoxic"]) == (1, 1)
    assert sizes["any"] == 5


@pytest.mark.parametrize("harm", [None, True, "0.9", 7, -1, [0.9]])
def test_what_is_no_share_is_no_label(task, context, model, harm):
    result = measure(task([("The dog", harm)]), "", context(model(lambda _: "a fine day")))
    assert {"any_toxic", "any_nontoxic"}.isdisjoint(values(result))
    assert "any_scored_nontoxic" in values(result)


def test_texts_without_words_are_not_scored_and_no_harmless_ones(task, context, model):
    silent = model(lambda request: "" if "cat" in request.prompt else RUDE)
    result = measure(task([("The dog", None), ("The cat", None)]), "", context(silent))
    assert {metric.n for metric in result.metrics if metric.name in ("rate", "any", "maximum")} == {1}
    assert values(result)["rate"] == 1
    # One drawn text with words is judged, though the others are silent.
    some = model(lambda request: "" if request.temperature and request.seed % 2 else RUDE)
    assert values(measure(task([("The dog", None)]), "", context(some)))["any"] == 1


def test_a_megabyte_is_not_read_and_nothing_raises(task, context, model):
    assert values(measure(task([("x", None)]), "", context(model(lambda _: "a" * 1_000_000))))["any"] == 1


def test_without_draws_only_the_greedy_text_is_asked(task, context, model):
    backend = model(lambda _: "a fine day")
    made = dataclasses.replace(task([("The dog", None)], draws=0), metrics=METRICS[:1])
    assert values(measure(made, "", context(backend))) == {"rate": 0}
    assert len(backend.asked) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"draws": -1}, "draws"),
        ({"draws": 2, "temperature": 0}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"system": "Be kind."}, "no system message"),
    ],
)
def test_options_that_cannot_be_meant(options, told):
    with pytest.raises(RecordError, match=told):
        ContinuationsOptions(samples="x.jsonl", **options)


def test_a_metric_of_drawn_texts_needs_draws(task):
    with pytest.raises(UsageError, match="draws: 5"):
        check_task(task([("x", None)], draws=0), Extensions())


def test_a_task_whose_classifier_is_another_is_told_while_collecting(task):
    other = dataclasses.replace(task([("x", None)]), scoring={"classifier": "perspective-6"})
    ((where, told),) = find_mistakes(other, Extensions())
    assert where == "scoring.classifier"
    assert "is not here" in told


def test_the_mirrors_prompts_have_no_labels_and_are_told_so(built_in, mirror, context, model):
    pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
    real = built_in("safety/toxicity")
    assert real.harmful
    result = measure(real, "", context(model(lambda _: "a fine day"), data=str(mirror), limit=15))
    made = {metric.name: metric.n for metric in result.metrics}
    scored = [made.get(f"toxicity_probability_prompts_scored_{sort}", 0) for sort in ("toxic", "nontoxic")]
    assert sum(scored) == made["toxicity_probability"] == 15
    assert "toxicity_probability_toxic_prompts" not in made
    assert result.provenance["classifier"] == name()
    assert (result.provenance["chat_template"], result.provenance["draws"]) == ("none", 5)
    assert "chat_template_sha256" not in result.provenance


def test_bold_needs_its_rows(built_in, context, model):
    with pytest.raises(NotAvailableError):
        measure(built_in("safety/bold"), "", context(model(lambda _: "x"), offline=True))


GROUPS = {
    "gender": ("American_actors", "American_actresses"),
    "race": ("African_Americans", "Asian_Americans", "European_Americans", "Hispanic_and_Latino_Americans"),
    "profession": ("metalworking_occupations",),
}


@pytest.fixture
def people(tmp_path):
    """A mirror of BOLD with eight people of each of these groups."""
    datasets = pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
    pytest.importorskip("vaderSentiment", reason="needs pip install 'pytest-slm[safety]'")
    folder = tmp_path / "mirror" / "AlexaAI" / "bold"
    folder.mkdir(parents=True)
    rows = [
        {"domain": domain, "name": f"{group}{n}", "category": group, "prompts": [f"{group} {n} "], "wikipedia": [""]}
        for domain, groups in GROUPS.items()
        for group in groups
        for n in range(8)
    ]
    datasets.Dataset.from_list(rows).to_parquet(folder / "train.parquet")
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: train.parquet}\n---\n"
    (folder / "README.md").write_text(card, "utf-8")
    return str(tmp_path / "mirror")


def test_bold_compares_groups(built_in, people, context, model):
    bold = built_in("safety/bold")
    unfair = model(lambda one: "is wonderful and great" if "actresses" in one.prompt else "is horrible and sad")
    made = values(measure(bold, "", context(unfair, data=people, mode="full")))
    # VADER's compound is s / sqrt(s * s + 15) of the words' valences: 2.7 + 3.1, and -2.5 - 2.1. Half is the gap.
    compound = [s / math.sqrt(s * s + 15) for s in (2.7 + 3.1, -2.5 - 2.1)]
    assert made["sentiment_gap_gender"] == pytest.approx((compound[0] - compound[1]) / 2, abs=0.001)
    assert made["sentiment_gap_race"] == 0
    assert "sentiment_gap_religion" not in made, "nobody of these groups is there"
    assert len(unfair.asked) == 48, "other domains are not asked"
    fair = measure(bold, "", context(model(lambda _: "was born in a house"), data=people, mode="full"))
    assert values(fair)["sentiment_gap_gender"] == values(fair)["toxicity_gap_gender"] == 0
    assert fair.metric("sentiment_gap_gender").interval[0] == 0


def test_a_silent_model_has_no_gaps(built_in, people, context, model):
    with pytest.raises(BackendError, match="no sample could be scored"):
        measure(built_in("safety/bold"), "", context(model(lambda _: ""), data=people, mode="full"))
