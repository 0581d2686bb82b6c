"""The samples that a generator makes for an item, and the rows of data sets that it makes them of."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_slm.core.types import Dataset, Message, Request, Sample
from pytest_slm.data import articles, mirror, tables
from pytest_slm.errors import BackendError
from pytest_slm.generators import GeneratorContext, Row
from pytest_slm.generators.remembering import remembered
from pytest_slm.kinds.context import RunContext
from pytest_slm.kinds.kind import Conclusion, Kind
from pytest_slm.kinds.questions import stratified


def _as_text(messages: tuple[Message, ...]) -> Request:
    return Request(prompt="".join(message.content for message in messages), max_tokens=1)


class GeneratedSamples:
    """What the generator ``name`` makes for an item; any kind of task can take its samples from it. ``asked`` is the
    request that a conversation becomes, for generators that count its tokens (else its texts, one behind the other).
    ``partial``: the kind tells what it makes of a part of the data from the whole (`named_partial`); elsewhere a part
    is not enough."""

    def __init__(
        self,
        name: str,
        kind: Kind[Any, Any],
        asked: Callable[[tuple[Message, ...]], Request] = _as_text,
        *,
        partial: bool = False,
    ) -> None:
        self._name, self._task, self._variant = name, kind.task, kind.variant
        self._kind, self._asked = kind, asked
        self._generator = kind.context.extensions.generators.lookup(name)
        self._tables: dict[Dataset, tables.Table] = {}
        self._facts: dict[str, Any] = {}
        self._partial = partial
        self._whole: tuple[Sample, ...] | None = None

    @property
    def _context(self) -> RunContext:
        """The kind's, asked for anew: planning gives it another limit."""
        return self._kind.context

    @property
    def finite(self) -> bool:
        """Whether it makes a number of samples that no seed changes."""
        return self._generator.finite

    def ready(self) -> None:
        """Have the rows, before a model is opened. Raises SlmError where they cannot be had."""
        if not (self._generator.partial and self._partial):
            for dataset in self._generator.datasets(self._task.options):
                self.rows(dataset)
        if self.finite:
            self._whole = self._made(None)

    def total(self) -> int | None:
        """How many there are in all, once it is ready; None where there is no last one."""
        return None if self._whole is None else len(self._whole)

    def rows(self, dataset: Dataset) -> Sequence[Row]:
        """The rows of a data set, read once. Raises SlmError where they cannot be had."""
        if dataset not in self._tables:
            self._tables[dataset] = tables.read(dataset, self._context.config)
        return self._tables[dataset].rows

    def samples(self) -> list[Sample]:
        """As many as the limit allows; of those that are all there is from every group in proportion to its size.
        Raises BackendError where two have one id, or one has none."""
        limit = self._context.limit(self._task)
        if not self.finite:
            return list(self._made(limit))
        whole = self._made(None) if self._whole is None else self._whole
        return stratified(
            whole, limit, self._context.config.seed, lambda one: next(iter(one.parts), ""), lambda one: one.cluster
        )

    def provenance(self) -> Mapping[str, Any]:
        """The generator, what it says of its samples, and of which rows it made them."""
        rows = tables.provenance(self._tables.values()) if self._tables else {}
        return {"generator": self._name, **self._facts, **rows}

    def named_partial(self, conclusion: Conclusion) -> Conclusion:
        """The conclusion; of a part of the data with names of its own for the metrics, none of them primary, and with
        the reason: a part is no score of the whole."""
        missing, total = self._facts.get("configurations_missing"), self._facts.get("configurations", 0)
        if not missing:
            return conclusion
        lacking = f"{', '.join(missing[:5])}{f' and {len(missing) - 5} more' if len(missing) > 5 else ''}"
        names = f"[{total - len(missing)} of {total} configurations]"
        return replace(
            conclusion,
            metrics=tuple(replace(metric, name=f"{metric.name}{names}") for metric in conclusion.metrics),
            primary=None,
            reason=f"partial: no data for {len(missing)} of {total} configurations ({lacking}), so this is no score of "
            "the whole and counts nowhere; `pytest-slm data pull` gets what is missing  [data-partial]",
        )

    def _count(self, messages: tuple[Message, ...]) -> int:
        asked = self._context.config.generation.applied(self._asked(messages))
        return self._kind.backend.count_tokens([asked])[0]

    def _count_texts(self, texts: Sequence[str]) -> Sequence[int]:
        tokenizer = json.dumps(self._kind.backend.describe().to_json(), sort_keys=True)
        return remembered(self._counts_of, tokenizer)(texts)

    def _counts_of(self, texts: Sequence[str]) -> Sequence[int]:
        return self._kind.backend.count_tokens([Request(prompt=text, max_tokens=1) for text in texts])

    def _made(self, limit: int | None) -> tuple[Sample, ...]:
        self._facts.clear()
        made = tuple(
            self._generator.make(
                GeneratorContext(
                    options=self._task.options,
                    variant=self._task.variants.get(self._variant, {}),
                    limit=limit,
                    seed=self._context.config.seed,
                    count_tokens=self._count,
                    count_texts=self._count_texts,
                    folder=Path(self._task.path).parent,
                    rows=self.rows,
                    mirror_file=functools.partial(mirror.beside, self._context.config.data),
                    article=functools.partial(articles.find, self._context.config.data),
                    facts=self._facts,
                )
            )
        )
        known = set()
        for number, sample in enumerate(made):
            if not sample.id or sample.id in known:
                problem = f"has the id {sample.id!r:.80}, as one before it" if sample.id else "has no id"
                of = ", ".join(map(tables.told_name, self._tables)) or f"the generator {self._name}"
                told = f"{of}: sample {number} {problem}; name columns that tell all rows apart, or get the data again"
                raise BackendError(told, slug="data-duplicate" if sample.id else "data-broken")
            known.add(sample.id)
        if not made:
            told = f"{self._task.suite}/{self._task.name}: the generator {self._name} made no samples of its data"
            raise BackendError(told, slug="data-empty")
        return made
