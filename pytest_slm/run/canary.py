"""One sentence before anything counts: an engine that computes nonsense must not get a score for it."""

from __future__ import annotations

import math

from pytest_slm.backends.protocol import LOGLIKELIHOOD, Backend
from pytest_slm.errors import BackendError

SENTENCE = "The quick brown fox jumps over the lazy dog. One, two, three, four, five, six, seven, eight."


def check(backend: Backend) -> None:
    """Raise BackendError if the model finds a plain English sentence no likelier than random tokens.

    Guessing gives -ln(vocabulary) nats a token, about -10.8 for 49,152 tokens; every model of language is far above
    (SmolLM2-135M in Q4_1: -2.4). At or below it weights, quantization kernels or tokenizer are broken. Backends that
    do not tell their vocabulary or give no likelihoods are taken as they are.
    """
    vocabulary = backend.describe().vocab_size
    if LOGLIKELIHOOD not in backend.capabilities or not vocabulary:
        return
    (scored,) = backend.loglikelihood([("", SENTENCE)])
    mean, chance = scored.logprob / scored.n_tokens, -math.log(int(vocabulary))
    if mean <= chance:
        raise BackendError(
            f"the model finds plain English no likelier than chance ({mean:.1f} nats a token, chance is {chance:.1f}): "
            "its weights or this engine's kernels for them are broken, and no score of it would mean anything",
            slug="canary",
        )
