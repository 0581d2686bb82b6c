"""A sentence before anything counts: an engine that computes nonsense must not get a score for it.

Whoever has learned a language finds a text likelier than the same words in another order: that is what predicting the
next word means, and it depends neither on the vocabulary nor on how well the model has learned. Broken weights find all
orders alike. The difference is told in nats a word, so that tokenizers of all kinds can be compared.
"""

from __future__ import annotations

import math

from pytest_slm.backends.protocol import LOGLIKELIHOOD, Backend
from pytest_slm.errors import BackendError

SENTENCE = (
    "Once upon a time there was a little girl who lived in a small house near the forest. "
    "One, two, three, four, five, six, seven, eight."
)

OTHERS = (
    "Había una vez una niña pequeña que vivía en una casa cerca del bosque. Uno, dos, tres, cuatro, cinco, seis.",
    "Es war einmal ein kleines Mädchen, das wohnte in einem Haus am Waldrand. Eins, zwei, drei, vier, fünf, sechs.",
    "Жила-была маленькая девочка, и жила она в маленьком доме у леса. Один, два, три, четыре, пять, шесть.",
    "从前有一个小女孩，她住在森林旁边的一座小房子里。一、二、三、四、五、六。",
    "for i in range ( 10 ) :\n    if i % 2 == 0 :\n        print ( i )\n    else :\n        print ( i + 1 )",
)
"""What a model without English may know. They are asked only if it finds nothing in the order of the English words."""

LEAST = 2.0
"""Nats a word that order must be worth in one of the texts, and nats a token that the text is likelier than random
tokens; decision 22 has what was measured."""


def check(backend: Backend) -> None:
    """Raise BackendError (canary) if the model knows no order of words in any language that is tried; BackendError
    (not-finite) if what it computes are no numbers.

    Backends that do not tell their vocabulary or give no likelihoods are taken as they are, and so is a context that
    has no room for the sentence.
    """
    vocabulary = backend.describe().vocab_size
    if LOGLIKELIHOOD not in backend.capabilities or not vocabulary:
        return
    chance = -math.log(int(vocabulary))
    try:
        order, mean = _worth(backend, SENTENCE)
        if order >= LEAST and mean >= chance + LEAST:
            return
        # Its own language a model knows well; among several texts broken weights may find one by chance.
        if any(worth >= LEAST and likely >= chance / 2 for worth, likely in (_worth(backend, text) for text in OTHERS)):
            return
    except BackendError as error:
        if error.slug == "context-too-long":
            return
        raise
    raise BackendError(
        f"the model knows no order of words: plain English has {mean:.1f} nats a token (random tokens {chance:.1f}), "
        f"{order:+.1f} nats a word beside the same words in another order. Its weights, or this engine's kernels for "
        "them, are broken, and no score of it would mean anything: get the weights again, or try another quantization "
        "or engine; --slm-canary=off measures a model that has learned nothing yet",
        slug="canary",
    )


def _worth(backend: Backend, text: str) -> tuple[float, float]:
    """What the order of a text is worth, in nats a word, and how likely it is, in nats a token."""
    # Scripts without spaces are taken letter by letter.
    join = " " if " " in text else ""
    words = text.split(" ") if join else list(text)
    mixed = [words[::-1], words[1::2] + words[::2]]
    texts = [text, *(join.join(order) for order in mixed)]
    scored = backend.loglikelihood([("", each) for each in texts])
    likely, *others = (one.logprob for one in scored if one.logprob is not None)
    order = min(likely - other for other in others)
    return order / len(words), likely / scored[0].n_tokens
