"""What a call would make the engine compute, by the plans that the call itself would follow. Nothing is evaluated."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_slm.backends.llamacpp.context import Context
from pytest_slm.backends.llamacpp.generation import WORTH, Batcher
from pytest_slm.backends.llamacpp.scoring import n_cells, plan_groups
from pytest_slm.backends.llamacpp.streams import alike
from pytest_slm.backends.local import Prompt
from pytest_slm.backends.protocol import Workload
from pytest_slm.prompts.packing import batches, common, leaves
from pytest_slm.prompts.pairs import Ids, fitted


def of_pairs(context: Context, pairs: Sequence[tuple[Ids, Ids]], *, exact: bool) -> Workload:
    """The work of scoring (context ids, continuation ids) pairs in one call."""
    limits = context.limits
    ordered = leaves(fitted(pairs, limits.n_ctx))
    alone = exact or not limits.shares
    size = limits.block if alone else limits.n_batch
    steps = evaluated = depth = predicted = outputs = 0
    for group in plan_groups(ordered, limits, exact=exact):
        for rows in batches(group.rows, size=size, outputs=limits.n_outputs):
            steps += 1
            evaluated += len(rows)
            depth += sum(row.position for row in rows)
            wanted = sum(bool(row.wants) for row in rows)
            predicted += wanted
            outputs = max(outputs, wanted)
    sequences = 2 if alone else limits.n_seq + 1
    return Workload(
        shown=sum(len(head) + len(tail) for head, tail in pairs),
        evaluated=evaluated,
        depth=depth,
        predicted=predicted,
        steps=steps,
        together=1,
        cells=context.opened(n_cells(ordered, limits), sequences, shared=True) if ordered else 0,
        outputs=outputs,
    )


def of_prompts(context: Context, prompts: Sequence[Prompt], *, alone: bool) -> Workload:
    """The work of reading prompts before anything is written; ``together`` of them would run at once, as a mean over
    the groups that come one after the other."""
    groups = [[prompt] for prompt in prompts] if alone else alike(context, prompts)
    parts = [_of_group(context, group) for group in groups]
    waves = sum(-(-part.predicted // part.together) for part in parts)
    return Workload(
        shown=sum(part.shown for part in parts),
        evaluated=sum(part.evaluated for part in parts),
        depth=sum(part.depth for part in parts),
        predicted=len(prompts),
        steps=sum(part.steps for part in parts),
        together=max(1, round(len(prompts) / max(1, waves))),
        cells=max(part.cells for part in parts),
        outputs=max(part.outputs for part in parts),
    )


def _of_group(context: Context, prompts: Sequence[Prompt]) -> Workload:
    batcher = Batcher(context, prompts)
    ordered = sorted((prompt.ids for prompt in prompts), key=list)
    trunk: Ids = ()
    evaluated = depth = 0

    def read(start: int, end: int) -> None:
        nonlocal evaluated, depth
        evaluated += end - start
        depth += (end * (end - 1) - start * (start - 1)) // 2

    for place, ids in enumerate(ordered):  # what Batcher._admit does, without the sequences
        most = len(ids) - 1
        shared = min(common(trunk, ids), most)
        if place + 1 < len(ordered) and (ahead := min(common(ids, ordered[place + 1]), most)) - shared >= WORTH:
            read(shared, ahead)
            trunk, shared = ids[:ahead], ahead
        read(shared if shared >= WORTH else 0, len(ids))
    return Workload(
        shown=sum(len(ids) for ids in ordered),
        evaluated=evaluated,
        depth=depth,
        predicted=len(ordered),
        steps=-(-evaluated // context.limits.n_batch),
        together=batcher.at_once,
        cells=context.opened(batcher.n_cells, 1 if len(ordered) == 1 else batcher.at_once + 1, shared=False),
        outputs=batcher.at_once,
    )
