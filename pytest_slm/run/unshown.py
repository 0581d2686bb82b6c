"""Prompts that lost their beginning, because the context has no room for them: what was measured is not the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_slm.core.types import CutPrompts, Result
from pytest_slm.run.conversation import Conversation
from pytest_slm.run.records import unshown


def cut_prompts(conversations: Sequence[Conversation]) -> CutPrompts | None:
    """How many samples lost how much, if any did."""
    lost = [n for conversation in conversations if (n := unshown(conversation.turns))]
    if not lost:
        return None
    return CutPrompts(samples=len(lost), asked=len(conversations), tokens=sum(lost), most=max(lost))


def without_rank(result: Result, cut: CutPrompts, num_fewshot: int = 0) -> Result:
    """The result under names of its own: no metric of it is the task's. How many of the task's ``num_fewshot`` examples
    were shown is not known of all samples, so that it is no number."""
    reason = (
        f"partial: {cut}, so this is no score of {result.task} and counts nowhere. Give the model a longer context "
        "(--slm-n-ctx), or take fewer examples or shorter answers  [prompts-cut]"
    )
    examples = {"num_fewshot": None, "num_fewshot_declared": num_fewshot} if num_fewshot else {}
    return replace(
        result,
        primary=None,
        metrics=tuple(replace(metric, name=f"{metric.name}[prompts cut]") for metric in result.metrics),
        reason="; ".join(filter(None, (result.reason, reason))),
        prompts_cut=cut,
        provenance={**result.provenance, **examples},
    )
