"""Whether an engine computes the same when it computes many tokens or several texts at once: the correctness that
every speed needs.

Kernels for many rows are other code than those for a few. On a processor that lacks an instruction they may be wrong
and as fast as ever: with ik_llama.cpp (ik-llama-cpp-python 0.1.5) and neither AVX-VNNI nor AVX-512, Q4_1 and Q5_K in
steps of 32 tokens and more have another likeliest token in 60 of 100 places. In smaller steps they are right.

Memory for several texts is other code again: the same engine does not see a beginning that lies above freed memory,
and gives likely numbers (see ``Context``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pytest_slm.backends.llamacpp.context import Context
from pytest_slm.backends.llamacpp.limits import EngineLimits
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.backends.llamacpp.scoring import evaluated
from pytest_slm.core.backend_info import WRONG_NMSE
from pytest_slm.errors import BackendError
from pytest_slm.prompts.packing import PackedRow, leaves

TEXT = (
    "The harbour was quiet that morning. A fisherman mended his nets, two children counted gulls, and the baker's "
    "wife carried 12 loaves to the inn; nobody had yet seen the ship with 3 black sails beyond the lighthouse. When "
    "the bell rang at eight, all of them looked up."
)
ROWS, FEW = 48, 8
"""Tokens that are computed at once, and in parts. ik_llama.cpp changes its kernels at 32; a fault that shows only in
larger steps than this is not found."""

MOST_NMSE = WRONG_NMSE
NO_NUMBERS = 1e9
"""Told in place of infinity, which no report can hold."""

SMALL_STEP = 31


Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Kernels:
    """What was found: how far many rows at once differ from a few (None: the model gives no numbers), and the limits
    with which they do not."""

    nmse: float | None
    limits: EngineLimits


def check(model: Model, limits: EngineLimits) -> Kernels:
    """Compute a text in one step and in several. Where they differ, the engine is held to steps of ``SMALL_STEP``
    tokens. Raises BackendError (kernels-wrong) where it is wrong then, too."""
    ids = model.tokenize(TEXT, add_special=True, parse_special=False)[: min(ROWS, limits.n_ctx, limits.n_batch)]
    few = _logits(model, limits, ids, FEW)
    if not np.isfinite(few).all():
        return Kernels(None, limits)  # the weights are no numbers, which is told where they are used
    nmse = difference(few, _logits(model, limits, ids, len(ids)))
    if nmse <= MOST_NMSE:
        _check_packed(model, limits)
        return Kernels(nmse, limits)
    held = replace(limits, n_ubatch=SMALL_STEP)
    if (again := difference(few, _logits(model, held, ids, len(ids)))) > MOST_NMSE:
        raise BackendError(
            f"{model.path}: {model.library.engine} computes a text in one step otherwise than in several (NMSE "
            f"{again:.2g}): its kernels are wrong on this processor; choose another --slm-engine or quantization",
            slug="kernels-wrong",
        )
    _check_packed(model, held)
    return Kernels(min(nmse, NO_NUMBERS), held)


BELOW, BEGINNING, TAIL = 40, 16, 6
"""Tokens of the text that is forgotten (more than the 32 cells that ik_llama.cpp always sees), those that the two
others have in common, and those that follow."""


def _check_packed(model: Model, limits: EngineLimits) -> None:
    """Compute three texts as scoring packs them, and each by itself. The first is forgotten, and lies below a beginning
    that the others share: where an engine that does not see beyond freed memory loses it. Raises BackendError
    (kernels-wrong) where the texts come out otherwise."""
    if not limits.shares or limits.n_seq == 1:
        return  # nothing is ever packed
    ids = model.tokenize(TEXT, add_special=False, parse_special=False)
    start = ids.index(max(ids))  # the texts are computed in the order of their tokens
    ids = ids[start:] + ids[:start]
    beginning, rest = ids[:BEGINNING], ids[BEGINNING:]
    texts = [sorted(ids)[: min(BELOW, limits.n_ctx)], beginning + rest[:TAIL], beginning + rest[TAIL : 2 * TAIL]]
    small = replace(limits, n_seq=2, n_batch=64, n_ubatch=min(limits.n_ubatch, 64), n_outputs=len(texts))
    alone, packed = (_packed(model, small, texts, exact=exact) for exact in (True, False))
    if difference(alone, packed) > MOST_NMSE:
        raise BackendError(
            f"{model.path}: {model.library.engine} computes texts side by side otherwise than one at a time (NMSE "
            f"{difference(alone, packed):.2g}): scores would be wrong; choose another --slm-engine or build",
            slug="kernels-wrong",
        )


def _packed(model: Model, limits: EngineLimits, texts: list[list[int]], *, exact: bool) -> Logits:
    """The logits after each text but for its last token, as they are computed together, or one by one (``exact``)."""
    context = Context(model, limits)
    found: dict[int, Logits] = {}
    try:
        for rows, wanted in evaluated(context, leaves([(text[:-1], text[-1:]) for text in texts]), exact=exact):
            # Two texts that are equal are computed once.
            found |= {text: context.logits(row).copy() for row in wanted for text, _ in rows[row].wants}
        return np.array([found[number] for number in range(len(texts))])
    finally:
        context.close()


def difference(reference: Logits, found: Logits) -> float:
    """The mean squared difference as a share of the reference's variance; infinite where ``found`` are no numbers."""
    exact, other = reference.astype(np.float64), found.astype(np.float64)
    if not np.isfinite(other).all():
        return float("inf")
    return float(((exact - other) ** 2).mean() / max(exact.var(), 1e-12))


def computed(model: Model, limits: EngineLimits, ids: list[int], step: int) -> Logits:
    """The logits after every ``FEW`` tokens of a text, and after the last, with so many tokens computed in a step."""
    return _logits(model, limits, ids, step)


def _logits(model: Model, limits: EngineLimits, ids: list[int], step: int) -> Logits:
    """Those after every ``FEW`` tokens, and after the last, with so many tokens computed in a step."""
    # As little memory as will do: what is opened here counts for the peak of the process.
    small = replace(
        limits, n_batch=len(ids), n_ubatch=min(limits.n_ubatch, len(ids)), n_outputs=-(-len(ids) // FEW) + 1
    )
    context = Context(model, small)
    try:
        context.reserve(len(ids), 1, shared=True)
        found = []
        for start in range(0, len(ids), step):
            part = ids[start : start + step]
            wanted = sorted({*range(FEW - 1, len(part), FEW), len(part) - 1})
            context.decode([PackedRow(token, start + place, [0]) for place, token in enumerate(part)], wanted)
            found += [context.logits(row).copy() for row in wanted]
        return np.array(found)
    finally:
        context.close()
