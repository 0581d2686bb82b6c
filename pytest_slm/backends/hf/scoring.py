"""How likely a model finds a given continuation, as lm-eval's ``loglikelihood`` defines it.

All requests of a call are planned together. Where the architecture allows it they are packed: a beginning that several
share is computed once, and choices of one token each are one text. Otherwise texts of similar length are padded to a
batch, as HFLM does. Either way logits are computed only where something is predicted, and normalised in float32.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from pytest_slm.backends.finite import broken_logits
from pytest_slm.backends.hf.model import Model
from pytest_slm.backends.hf.packed import GroupMemory
from pytest_slm.core.request import LogLikelihood
from pytest_slm.prompts.packing import Leaf, batches, leaves, plan
from pytest_slm.prompts.pairs import Ids, PairSum, fitted

LOGITS_BYTES = 96 * 2**20
"""No batch asks for more logits (as float32) than this: the vocabulary may have 150,000 tokens."""

SEQUENCES = 64
"""Texts in one packed batch at most."""

Wants = Sequence[Sequence[tuple[int, int]]]
"""For each row of logits, the requests that look at it and the token that each of them predicts."""


def loglikelihoods(
    model: Model,
    pairs: Sequence[tuple[Ids, Ids]],
    finished: Callable[[int, LogLikelihood], None],
    beat: Callable[[], None],
    *,
    n_batch: int,
    packs: bool,
    exact: bool,
) -> None:
    """Score (context ids, continuation ids) pairs; ``finished(number, result)`` tells each result as soon as it is
    known, ``beat`` that a step of the network is done. ``n_batch`` is how many tokens go through the model at once, a
    longer text alone excepted; ``exact``: every text alone and from its beginning, so that no result depends on the
    other pairs. What either callback raises ends it.
    """
    requests = fitted(pairs, model.n_ctx)
    ordered = leaves(requests)
    totals = [PairSum(*both) for both in zip(pairs, requests, strict=True)]
    if packs and not exact:
        parts = _packed(model, ordered, n_batch)
    else:
        parts = _padded(model, ordered, 0 if exact else n_batch)
    for logits, wants in parts:
        for request, logprob, greedy in _read(model, logits, wants):
            done = totals[request].add(logprob, greedy)
            if done is not None:
                finished(request, done)
        beat()


def _packed(model: Model, ordered: Sequence[Leaf], n_batch: int) -> Iterator[tuple[Tensor, Wants]]:
    memory = GroupMemory(model)
    groups, following = itertools.tee(plan(ordered, batch=n_batch, n_sequences=min(SEQUENCES, n_batch)))
    next(following, None)
    for group, after in itertools.zip_longest(groups, following):
        memory.begin(group)
        start = 0
        for rows in batches(group.rows, size=max(n_batch, 1), outputs=outputs_of(model)):
            logits = memory.logits(start, rows)
            start += len(rows)
            yield logits, [row.wants for row in rows if row.wants]
        memory.keep(after.shared if after else 0)


def _padded(model: Model, ordered: Sequence[Leaf], n_batch: int) -> Iterator[tuple[Tensor, Wants]]:
    """Texts in batches of at most ``n_batch`` tokens, padded at the right, where no token of the text sees it."""
    for members in similar(ordered, n_batch, outputs_of(model)):
        longest = max(len(leaf.ids) for leaf in members)
        rows = [[*leaf.ids, *[0] * (longest - len(leaf.ids))] for leaf in members]
        wanted = sorted({index for leaf in members for index, _, _ in leaf.wants})
        place = {index: number for number, index in enumerate(wanted)}
        found: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for number, leaf in enumerate(members):
            for index, request, token in leaf.wants:
                found.setdefault((number, place[index]), []).append((request, token))
        logits = model.logits(rows, wanted)
        chosen = model.tensor(list(found))
        yield logits[chosen[:, 0], chosen[:, 1]], list(found.values())


def similar(ordered: Sequence[Leaf], n_batch: int, outputs: int) -> Iterator[list[Leaf]]:
    """Runs of texts of similar length, the longest first: what does not fit into memory fails at once."""
    members: list[Leaf] = []
    first = 0
    for leaf in sorted(ordered, key=lambda leaf: -len(leaf.ids)):
        longest = max(len(leaf.ids), len(members[0].ids) if members else 0)
        begins = min(first, leaf.first) if members else leaf.first
        n = len(members) + 1
        if members and (n * longest > n_batch or n * (longest - begins) > outputs):
            yield members
            members, begins = [], leaf.first
        members.append(leaf)
        first = begins
    if members:
        yield members


def outputs_of(model: Model) -> int:
    """Rows of logits that a batch may ask for."""
    return max(1, LOGITS_BYTES // (4 * model.n_vocab))


def _read(model: Model, logits: Tensor, wants: Wants) -> Iterator[tuple[int, float, bool]]:
    """(request, log-probability, whether it is the likeliest token) of all that is looked for in rows of logits. Raises
    BackendError (not-finite) for rows that are no numbers."""
    if not wants:
        return
    flat = [(row, request, token) for row, mine in enumerate(wants) for request, token in mine]
    with torch.inference_mode():
        scores = logits.float()
        norm = scores.logsumexp(-1)
        top = scores.argmax(-1)
        rows = torch.tensor([row for row, _, _ in flat], device=logits.device)
        tokens = torch.tensor([token for _, _, token in flat], device=logits.device)
        broken = (~norm.isfinite()).nonzero()
        if len(broken):
            row = int(broken[0])
            wanted = model.tokenizer.spelled(wants[row][0][1])
            raise broken_logits(str(model.path), float(scores[row].max()), wanted, "where it should predict")
        logprobs = (scores[rows, tokens] - norm[rows]).tolist()
        greedy = (top[rows] == tokens).tolist()
    for (_, request, _), logprob, likeliest in zip(flat, logprobs, greedy, strict=True):
        yield request, logprob, likeliest
