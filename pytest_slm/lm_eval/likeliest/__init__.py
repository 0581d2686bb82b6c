"""Which choice is the likeliest, by which measure, and what counts where several are equally likely.

lm-eval takes the first of them. Where the right choice always stands first, as in TruthfulQA's mc1, a model that finds
everything equally likely would have 100 %; here the first place is shared: one of k is worth 1/k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_slm.lm_eval import gold

Measure = Callable[[Sequence[float], Sequence[str]], list[float]]
"""What is compared, of log-likelihoods and the choices that they are of."""


def _by(size: Callable[[str], int]) -> Measure:
    return lambda likely, choices: [value / max(1, size(choice)) for value, choice in zip(likely, choices, strict=True)]


def _above_unconditional(likely: Sequence[float], choices: Sequence[str]) -> list[float]:
    n = len(likely) // 2  # every choice is asked twice: behind the question, and behind nothing
    return [given - alone for given, alone in zip(likely[:n], likely[n:], strict=True)]


MEASURES: Mapping[str, tuple[Measure, str]] = {
    "acc_norm": (_by(len), " per character"),
    "acc_bytes": (_by(lambda choice: len(choice.encode())), " per byte"),
    "acc_mutual_info": (_above_unconditional, " against the choice alone"),
}
"""What lm-eval makes of the log-likelihoods of choices before it takes the greatest."""
PREFERENCES = {"pct_stereotype": 0}
"""Metrics of a task's own function that say how often the choice at this place is the likelier of two."""


def shared(upstream: Any, doc: Any, instances: Sequence[Any], metric: str) -> tuple[float, int] | None:
    """What a metric of the likeliest choice gets, and how many choices are equally likely, where that is more than one;
    None where one is the likeliest alone, and for metrics that do not go by it."""
    config = upstream.config
    if config.output_type != "multiple_choice" or any(one.request_type != "loglikelihood" for one in instances):
        return None
    own = callable(config.process_results)
    if metric not in PREFERENCES if own else metric not in {"acc", *MEASURES}:
        return None
    likely = [float(one.resps[0][0]) for one in instances]
    choices = list(upstream.doc_to_choice(doc))
    if len(likely) == 2 * len(choices) and metric != "acc_mutual_info":
        likely = likely[: len(choices)]
    measure, _ = MEASURES.get(metric, (None, ""))
    values = likely if measure is None else measure(likely, choices)
    first = {place for place, value in enumerate(values) if value == max(values)}
    if len(first) < 2:
        return None
    right = {PREFERENCES[metric]} if own else set(gold.right_places(upstream, doc))
    return len(first & right) / len(first), len(first)
