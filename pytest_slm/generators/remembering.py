"""Counts of texts that were counted before: the same words and sentences stand in the prompts of many items."""

from __future__ import annotations

from collections.abc import Callable, Sequence

LONGEST = 10_000
"""Letters of a text that is remembered."""
MOST = 50_000_000
"""Letters of all texts that are remembered."""

CountTexts = Callable[[Sequence[str]], Sequence[int]]


class _Memory:
    """What is known of the last tokenizer."""

    def __init__(self) -> None:
        self.tokenizer, self.letters = "", 0
        self.counts: dict[str, int] = {}

    def of(self, tokenizer: str) -> dict[str, int]:
        if tokenizer != self.tokenizer or self.letters > MOST:
            self.tokenizer, self.letters, self.counts = tokenizer, 0, {}
        return self.counts


_MEMORY = _Memory()


def remembered(count: CountTexts, tokenizer: str) -> CountTexts:
    """``count`` for texts that it has not seen from the same ``tokenizer`` (a name of it), in one call. Only the last
    tokenizer is remembered."""

    def counts(texts: Sequence[str]) -> Sequence[int]:
        known = _MEMORY.of(tokenizer)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        found = dict(zip(new, count(new) if new else (), strict=True))
        for text, n in found.items():
            if len(text) <= LONGEST:
                known[text] = n
                _MEMORY.letters += len(text)
        return [found[text] if text in found else known[text] for text in texts]

    return counts
