"""What pages about many models are made of: the same whether it was just made, kept, or put together of parts."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from pytest_slm.registry import build_registry
from pytest_slm.registry.rows import entry_rows
from pytest_slm.site.build import Places, wide_pages
from pytest_slm.site.facts.files import packed, unpacked
from pytest_slm.site.facts.summary import merged, summarized, summary_of
from pytest_slm.site.facts.wide import wide_of


@pytest.fixture
def registry(factory, runs):
    """A registry of three models, with the scores of their questions."""
    return build_registry([factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)])


def test_facts_are_the_same_when_they_come_from_json(registry):
    whole = wide_of(registry)
    facts = unpacked(json.loads(json.dumps([packed(model) for model in whole.models])))
    summary = summary_of(json.loads(json.dumps(whole.summary.to_json())))
    kept = replace(whole, models=facts, summary=summary)
    assert wide_pages(kept, Places(), []) == wide_pages(whole, Places(), [])


def test_what_models_add_up_to_does_not_depend_on_the_order_or_on_groups(registry):
    parts = [summarized(entry, entry_rows(entry)) for entry in registry.models]
    whole = merged(parts)
    assert len(whole.tasks) > 3
    for one, two, three in itertools.permutations(parts):
        assert merged([one, two, three]) == whole
        assert merged([merged([one, two]), three, merged([])]) == whole
