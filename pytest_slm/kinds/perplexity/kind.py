"""Tasks of one long text: the same segments of it after contexts of every length, so that a length is compared with the
next, and a KV cache with another, on the same words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from pytest_slm.core.record import Record, RecordError, stays_inside
from pytest_slm.core.request import Likelihoods, Talk
from pytest_slm.core.statistics import mean_interval, standard_error
from pytest_slm.core.types import JudgedSample, Metric, Request, Sample, Verdict
from pytest_slm.data import mirror
from pytest_slm.errors import NotAvailableError, UsageError
from pytest_slm.files import parse_json, read_text
from pytest_slm.generators.remembering import remembered
from pytest_slm.generators.ruler.counting import Filling, TextPieces
from pytest_slm.kinds.context import sha256
from pytest_slm.kinds.kind import Conclusion, Kind

BLOCK = 32
"""Words of the text that are counted together."""
RESERVE = 4
"""Tokens that stay free, since a piece may be a token longer at its seam."""


@dataclass(frozen=True, kw_only=True)
class PerplexityOptions(Record):
    """``text`` is a file of the mirror (JSONL with ``text``), the texts of which are joined. Segments of ``words``
    words are predicted, the first behind the first ``after`` words, then one ``every`` so many words."""

    text: str
    words: int = 100
    after: int = 60_000
    every: int = 1_000

    def __post_init__(self) -> None:
        if not stays_inside(self.text):
            raise RecordError(f"text: expected a path inside the mirror, not {self.text!r:.80}")
        if not 0 < self.words <= self.every or self.after < self.words:
            raise RecordError("words: expected at least one word, and no more than `every` and `after`")


class Perplexity(Kind[PerplexityOptions, Sample]):
    """One segment a sample; its context is as long as the variant says, the segment included."""

    name = "perplexity"
    options_type = PerplexityOptions

    def ready(self) -> None:
        """The text, and room in the context."""
        length = self.task.variants.get(self.variant, {}).get("context_tokens")
        if not isinstance(length, int) or isinstance(length, bool) or length < 1:
            raise UsageError(
                f'{self.task.name}: every variant needs a whole number of tokens: `"1024": {{context_tokens: 1024}}`',
                slug="perplexity-variant",
            )
        self._length, n_ctx = length, self.backend.describe().n_ctx
        if n_ctx is not None and length > n_ctx:
            raise NotAvailableError(
                f"{length} tokens do not fit into the context of {n_ctx}; allow more if --slm-n-ctx or the "
                "submission's n_ctx is the limit, or take a model with a longer one",
                slug="context-too-short",
            )
        self._words = self._read()

    def _read(self) -> list[str]:
        path = mirror.beside(self.context.config.data, self.options.text)
        if path is None:
            raise NotAvailableError(
                f"the text {self.options.text} is not there: put it (one JSON object a line, with `text`) into the "
                "folder of --slm-data, or beside it",
                slug="perplexity-text",
            )
        try:
            rows = [parse_json(line) for line in read_text(path).splitlines() if line.strip()]
            texts = [str(row["text"]) for row in rows]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"{path}: the text cannot be read ({error}); put a whole file there", slug="perplexity-text"
            ) from None
        self._sha256 = sha256(*texts)
        return " ".join(texts).split()

    def samples(self) -> Sequence[Sample]:
        counts = remembered(self._count, json.dumps(self.backend.describe().to_json(), sort_keys=True))
        pieces, size = TextPieces(counts), self.options.words
        starts = range(self.options.after, len(self._words) - size, self.options.every)
        made = []
        for start in islice(starts, self.context.limit(self.task)):
            segment = " " + " ".join(self._words[start : start + size])
            text = self._context(start, self._length - pieces[segment] - RESERVE, pieces)
            made.append(
                Sample(id=f"word-{start}", input=text, target=segment, metadata={"context_tokens": self._length})
            )
        if not made:
            raise NotAvailableError(
                f"{self.options.text}: its {len(self._words)} words have no segment after the first "
                f"{self.options.after}; take a longer text",
                slug="perplexity-text",
            )
        return made

    def _context(self, start: int, room: int, pieces: TextPieces) -> str:
        """The words before a segment, as many as there is room for."""
        backwards = Filling(self._blocks(start), lambda some, _pieces: [" " + " ".join(reversed(some))])
        words = backwards.parts(backwards.fitted(max(0, room), pieces)) if room > 0 else []
        if room <= 0 or len(words) >= start:
            raise NotAvailableError(
                f"{self._length} tokens are too few for a segment; take a longer variant"
                if room <= 0
                else f"{self._length} tokens are more than the text has before a segment; take a shorter variant",
                slug="perplexity-text",
            )
        return " ".join(reversed(words))

    def _blocks(self, start: int) -> Iterator[Sequence[str]]:
        """The words before a place, the nearest first; an endless text begins where the true one is used up."""
        for end in range(start, 0, -BLOCK):
            yield self._words[max(0, end - BLOCK) : end][::-1]
        while True:
            yield ("end",) * BLOCK

    def _count(self, texts: Sequence[str]) -> Sequence[int]:
        return self.backend.count_tokens([Request(prompt=text, max_tokens=1) for text in texts])

    def converse(self, sample: Sample) -> Talk:
        (found,) = yield Likelihoods(pairs=((str(sample.input), str(sample.target)),))
        nats = -found.logprob / found.n_tokens
        return Verdict(
            value=min(1.0, math.exp(-nats)),
            answer="",
            explanation=f"{nats:.4f} nats a token over {found.n_tokens} tokens, after {found.n_prompt} tokens",
            values={"token_probability": min(1.0, math.exp(-nats)), "nats": -found.logprob, "tokens": found.n_tokens},
        )

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        """The mean of the segments' probabilities as a share, by which runs are compared; nats a token of all segments
        together, and perplexity."""
        share = super().conclude(judged)
        nats = [float(one.verdict.values["nats"]) for one in judged]
        tokens = [int(one.verdict.values["tokens"]) for one in judged]
        rate = math.fsum(nats) / sum(tokens)
        # A ratio of sums: each segment's part of it, linearized (Cochran 1977, 6.4).
        parts = [rate + (y - rate * x) * len(tokens) / sum(tokens) for y, x in zip(nats, tokens, strict=True)]
        whole = Metric(
            name="nats_per_token",
            value=rate,
            n=len(judged),
            interval=mean_interval(parts),
            unit="nats/token",
            higher_is_better=False,
            stderr=standard_error(parts),
        )
        bounds = whole.interval
        perplexity = replace(
            whole,
            name="perplexity",
            value=_exponential(rate),
            interval=None if bounds is None else (_exponential(bounds[0]), _exponential(bounds[1])),
            unit="perplexity",
            stderr=None,
        )
        told = {"tokens": sum(tokens), "segments": len(judged)}
        return replace(share, metrics=(*share.metrics, whole, perplexity), provenance=told)

    def provenance(self, samples: Sequence[Sample]) -> Mapping[str, Any]:
        return {
            "text": self.options.text,
            "text_sha256": self._sha256,
            "samples_sha256": sha256(*(f"{one.input}{one.target}" for one in samples)),
        }


def _exponential(nats: float) -> float:
    """Never more than a float holds."""
    return math.exp(min(700.0, nats))
