"""How a model without any skill comes to a task's chance level, in words, where that is not plain guessing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_slm.site import numbers

GUESSING = "by guessing"
BALANCED = "by doing the same with every question"
WAYS: Mapping[tuple[str, str], str] = {
    ("finance", "phrasebank"): "by always giving the commonest answer",
    ("healthcare", "multimedqa"): "by guessing among four options, or three",
    ("rag", "citation"): BALANCED,
    ("rag", "ragtruth_detection"): BALANCED,
    ("reasoning", "truthfulqa_mc2"): "the mean share of true answers among the choices of the questions asked",
    ("safety", "crows_pairs"): "preferring neither",
    ("safety", "truthfulness"): "by guessing among the choices of the questions asked",
    ("safety", "truthfulness_mc2"): "the mean share of true answers among the choices of the questions asked",
}
"""Tasks by suite and name; all others by the name of their metric, or else by guessing."""
UNKNOWN: Mapping[tuple[str, str], str] = {
    (
        "safety",
        "toxigen",
    ): "not one number: guessing is right in 50 %, always giving the same answer in as many as there "
    "are statements of that kind",
}
"""Why a task declares none, where that is worth a word."""


def chance_text(suite: str, task: str, metric: str, levels: Iterable[float]) -> str:
    """The chance levels of a task, which are shares, and how they come about."""
    told = dict.fromkeys(f"{100 * level:.3g}{numbers.NBSP}%" for level in sorted(levels))
    if not told:
        return UNKNOWN.get((suite, task), "not known")
    if list(told) == [f"0{numbers.NBSP}%"]:
        return next(iter(told))  # what is written cannot be guessed
    usual = BALANCED if metric.startswith("balanced_") else GUESSING
    return f"{', '.join(told)}, {WAYS.get((suite, task), usual)}"
