"""Prompts that lost their beginning, because the context has no room for them: what was measured is not the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_slm.core.types import CutPrompts, Result
from pytest_slm.run.conversation import Conversation
from pytest_slm.run.records import unshown


def cut_prompts(conversations: Sequence[Conversation]) -> CutPrompts | None:
    """How many samples lost how much, if any did."""
    lost = [n for conversation in conversations if (n := unshown(conversation.turns))]
    if not lost:
        return None
    return CutPrompts(samples=len(lost), asked=len(conversations), tokens=sum(lost), most=max(lost))


def without_rank(result: Result, cut: CutPrompts) -> Result:
    """The result under names of its own: no metric of it is the task's, and its prompts had fewer examples than the
    task has, or less of the question."""
    reason = (
        f"partial: {cut}, so this is no score of {result.task} and counts nowhere. Give the model a longer context "
        "(--slm-n-ctx), or take fewer examples or shorter answers  [prompts-cut]"
    )
    return replace(
        result,
        primary=None,
        metrics=tuple(replace(metric, name=f"{metric.name}[prompts cut]") for metric in result.metrics),
        reason="; ".join(filter(None, (result.reason, reason))),
        prompts_cut=cut,
        provenance=_told(result.provenance),
    )


def _told(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """How many examples were shown is not known of all samples, so that it is no number."""
    if not provenance.get("num_fewshot"):
        return provenance
    return {**provenance, "num_fewshot": None, "num_fewshot_declared": provenance["num_fewshot"]}
