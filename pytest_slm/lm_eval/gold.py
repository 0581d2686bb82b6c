"""The right answer to a question of lm-eval, in the form in which a model would give it."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from pytest_slm.errors import NotAvailableError
from pytest_slm.lm_eval.asking import repeats


def right(upstream: Any, doc: Any, instances: Sequence[Any]) -> tuple[Any, ...]:
    """For each request about a question the right answer: a text, or whether its continuation is the right choice.

    Raises NotAvailableError where lm-eval's task does not say it: where a function of its own judges, and where the
    answers are programs.
    """
    config = upstream.config
    if config.unsafe_code or callable(config.process_results):
        why = "the answers are programs" if config.unsafe_code else "a function of its own judges the answers"
        raise NotAvailableError(f"lm-eval's {config.task} has no right answer to hand in: {why}", slug="no-gold")
    kind = str(config.output_type)
    if kind == "multiple_choice":
        places = right_places(upstream, doc)
        n = len(upstream.doc_to_choice(doc))
        return tuple((number % n in places,) for number, one in enumerate(instances) for _ in range(repeats(one)))
    if kind != "generate_until":
        raise NotAvailableError(f"lm-eval's {config.task} asks for no answer ({kind})", slug="no-gold")
    target = upstream.doc_to_target(doc)
    text = str(target[0] if isinstance(target, list | tuple) and target else target)
    return tuple(f"{config.target_delimiter}{text}" for one in instances for _ in range(repeats(one)))


def right_places(upstream: Any, doc: Any) -> list[int]:
    """Which choices are right. Where the choices are contexts (WinoGrande), the text before them says it."""
    target = upstream.doc_to_text(doc) if upstream.multiple_input else upstream.doc_to_target(doc)
    found = target if isinstance(target, list | tuple) else [target]
    choices = list(upstream.doc_to_choice(doc))
    # An Integral: functions of tasks give numpy's whole numbers too (toxigen).
    return [int(one) if isinstance(one, Integral) else choices.index(one) for one in found]
