"""What a call would make the network compute, by the plans that the call itself would follow. Nothing is evaluated."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_slm.backends.hf.model import Model
from pytest_slm.backends.hf.scoring import SEQUENCES, outputs_of, similar
from pytest_slm.backends.protocol import Workload
from pytest_slm.prompts.packing import batches, leaves, plan
from pytest_slm.prompts.pairs import Ids, fitted


def of_pairs(model: Model, pairs: Sequence[tuple[Ids, Ids]], *, n_batch: int, packs: bool, exact: bool) -> Workload:
    """The work of scoring (context ids, continuation ids) pairs in one call. Padding is computed, so it counts."""
    ordered = leaves(fitted(pairs, model.n_ctx))
    steps = evaluated = depth = predicted = outputs = cells = 0
    if packs and not exact:
        for group in plan(ordered, batch=n_batch, n_sequences=min(SEQUENCES, n_batch)):
            cells = max(cells, group.shared + len(group.rows))
            for rows in batches(group.rows, size=max(n_batch, 1), outputs=outputs_of(model)):
                wanted = sum(bool(row.wants) for row in rows)
                steps, evaluated, predicted = steps + 1, evaluated + len(rows), predicted + wanted
                depth += sum(row.position for row in rows)
                outputs = max(outputs, wanted)
    else:
        for members in similar(ordered, 0 if exact else n_batch, outputs_of(model)):
            longest = max(len(leaf.ids) for leaf in members)
            places = len({index for leaf in members for index, _, _ in leaf.wants})
            steps, evaluated = steps + 1, evaluated + len(members) * longest
            depth += len(members) * longest * (longest - 1) // 2
            predicted += len(members) * places
            outputs, cells = max(outputs, len(members) * places), max(cells, len(members) * longest)
    return Workload(
        shown=sum(len(head) + len(tail) for head, tail in pairs),
        evaluated=evaluated,
        depth=depth,
        predicted=predicted,
        steps=steps,
        together=1,
        cells=cells,
        outputs=outputs,
    )


def of_prompts(prompts: Sequence[tuple[Ids, int]]) -> Workload:
    """The work of reading (prompt ids, greatest length of the answer), one by one, before anything is written."""
    return Workload(
        shown=sum(len(ids) for ids, _ in prompts),
        evaluated=sum(len(ids) for ids, _ in prompts),
        depth=sum(len(ids) * (len(ids) - 1) // 2 for ids, _ in prompts),
        predicted=len(prompts),
        steps=len(prompts),
        together=1,
        cells=max((len(ids) + length for ids, length in prompts), default=0),
        outputs=1,
    )
