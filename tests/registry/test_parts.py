"""Full runs that had a part of a data set: what is said of them, and what they are not ranked with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Result, SuiteFacts
from pytest_slm.registry.rows import rows
from pytest_slm.registry.scores import run_scores
from pytest_slm.registry.scores.parts import part_of, result_part, rows_of


def measured(scored: int, unscored: int = 0, outcome: str = "passed") -> Result:
    return Result(
        suite="law", task="roofs", variant="", quantization="Q8_0", mode="full", outcome=outcome,
        n_scored=scored, n_unscored=unscored,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("results", "whole", "part"),
    [
        ([measured(586)], 1172, (586, 1172)),
        ([measured(1172)], 1172, None),
        ([measured(1200)], 1172, None),  # it has grown since
        ([measured(586)], None, None),  # nobody knows
        ([measured(1000, 172)], 1172, None),  # asked, whether it could be scored or not
        ([measured(500), measured(600)], 600, (1100, 1200)),  # two variants
        ([measured(500), measured(0, outcome="skipped")], 600, (500, 600)),  # what was not measured is coverage's
        ([measured(0, outcome="error")], 600, None),
        ([], 600, None),
    ],
)
def test_what_a_part_is(results, whole, part):
    assert part_of(results, whole) == part


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=5), st.integers(1, 60))
def test_a_part_is_some_and_not_all(counts, whole):
    part = part_of([measured(*one) for one in counts], whole)
    if part is None:
        asked = sum(map(sum, counts))
        assert asked == 0 or asked >= whole * len(counts)
    else:
        assert 0 < part[0] < part[1] == whole * len(counts)


def test_the_suite_of_a_report_knows_better_than_the_built_in_one():
    assert rows_of("reasoning", {})["arc_challenge"] == 1172  # an older report
    said = {"reasoning": SuiteFacts(title="Reasoning", rows={"arc_challenge": 100})}
    assert rows_of("reasoning", said)["arc_challenge"] == 100
    assert rows_of("law", {}) == {}


@pytest.mark.parametrize(
    ("changes", "part"),
    [({}, (586, 1172)), ({"mode": "quick"}, None), ({"limit": 586}, None)],
    ids=["full", "quick", "limited"],
)
def test_only_of_a_full_run_questions_are_missing(factory, build, changes, part):
    mode = changes.get("mode", "full")
    arc = factory.scored("reasoning", "arc_challenge", "", "Q8_0", mode, factory.share("acc_norm", 200, 586))
    run = factory.make_run(results=[arc], **changes)
    assert result_part(run, arc) == part
    (entry,) = build(run).models
    (item,) = entry.quantizations["Q8_0"].items
    (task,) = entry.use_cases["reasoning"].benchmarks
    assert (item.part, task.part) == (part, part)
    total = entry.aggregates["marketplace"]
    assert total.parts == ({"reasoning/arc_challenge": part[0]} if part else {})


def test_a_whole_data_set_is_no_part(factory):
    arc = factory.scored("reasoning", "arc_challenge", "", "Q8_0", "full", factory.share("acc_norm", 400, 1172))
    (task,) = run_scores([arc], [arc.id], "Q8_0", "full", None, {})["reasoning"].benchmarks
    assert task.part is None


def asked(factory, number: int, n: int, right: float = 0.5, task: str = "arc_challenge", **changes):
    """A full run of a model of which one task had ``n`` questions; of ARC Challenge there are 1,172."""
    results = [
        factory.scored(suite, "task", "", "Q8_0", "full", factory.share("acc", round(100 * right), 100))
        for suite in ("rag", "function_calling", "coding", "safety")
    ]
    results += [factory.scored("reasoning", task, "", "Q8_0", "full", factory.share("acc", round(n * right), n))]
    names = {"slug": f"model-{number}", "name": f"Model {number}", "hf_repo": f"org/model-{number}"}
    return factory.make_run(results=results, **names, **changes)


def places(registry):
    return [entry.aggregates["marketplace"] for entry in registry.models]


def test_files_that_had_the_same_part_are_ranked_together(factory, build):
    assert [one.rank for one in places(build(asked(factory, 1, 586, 0.6), asked(factory, 2, 586)))] == [1, 2]


@pytest.mark.parametrize(("more", "others"), [(1172, "all"), (1000, "1,000")])
def test_a_file_that_had_more_questions_takes_the_rank_of_those_that_had_fewer(factory, build, more, others):
    registry = build(asked(factory, 1, 586, 0.9), asked(factory, 2, more), asked(factory, 3, more, 0.4))
    first, *rest = places(registry)
    assert first.unranked == f"asked 586 questions of reasoning/arc_challenge, others {others}"
    assert [(one.rank, one.ranked) for one in rest] == [(1, 2), (2, 2)]
    assert build(kept=registry) == registry
    bases = {row.model: row.basis("marketplace") for row in rows(registry)}
    assert bases["org--model-2"] == bases["org--model-3"] != bases["org--model-1"]


def test_more_questions_elsewhere_take_no_rank_away(factory, build):
    elsewhere = asked(factory, 2, 1172, machine={"fingerprint": "fast"})
    limited = asked(factory, 3, 1172, limit=2000)
    assert [one.rank for one in places(build(asked(factory, 1, 586), elsewhere, limited))] == [1, 1, None]


def test_a_file_without_the_task_has_no_say_in_its_questions(factory, build):
    other = asked(factory, 2, 100, task="riddles")
    assert [one.rank for one in places(build(asked(factory, 1, 586), other))] == [1, 1]
