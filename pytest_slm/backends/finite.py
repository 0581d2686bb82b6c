"""Numbers of a model that are none: NaN and infinity are an error, and never become a text or a score.

A row of logits is broken if its greatest is no finite number: that is so if any of them is NaN (which numpy and torch
take for the greatest) or plus infinity, and if all are minus infinity. Single tokens at minus infinity are no fault:
some models forbid tokens that way.
"""

from __future__ import annotations

import math
from typing import TypeVar

from pytest_slm.core.record import Record
from pytest_slm.core.request import LogLikelihood
from pytest_slm.errors import BackendError

R = TypeVar("R", bound=Record)


def broken_logits(path: str, value: float, token: str, place: str = "after") -> BackendError:
    """The error for a row of logits whose greatest is ``value``; ``token`` is the text of the token before it."""
    told = "no token is possible" if value == -math.inf else f"the likeliest token has the logit {value}"
    return BackendError(
        f"{path}: the model computes no numbers {place} {token!r:.40}: {told}. Its weights are damaged, or this engine "
        "cannot compute them (float16 overflows where bfloat16 and float32 do not): get them again, or try another "
        "dtype, quantization or engine",
        slug="not-finite",
    )


def checked(backend: str, scored: R) -> R:
    """What a backend has answered, if it is no likelihood or one that is a number. Raises BackendError (not-finite)."""
    if isinstance(scored, LogLikelihood) and not math.isfinite(scored.logprob or 0.0):
        raise BackendError(
            f"the backend {backend!r} gives a continuation of {scored.n_tokens} tokens the log-likelihood "
            f"{scored.logprob}: its weights are damaged, or the engine cannot compute them; get them again, or try "
            "another quantization or engine",
            slug="not-finite",
        )
    return scored
