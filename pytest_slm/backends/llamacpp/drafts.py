"""What a text will say next, because it has said it before.

Small models repeat themselves: an answer that does not stop is mostly one sentence, again and again, up to the greatest
length. Tokens that can be drafted are put to the engine together and checked against what it then picks itself, so the
text is the one that it would have written token by token, in a fraction of the steps (prompt lookup decoding, Saxena
2023, https://github.com/apoorvumang/prompt-lookup-decoding). This module knows no engine.
"""

from __future__ import annotations

from collections.abc import Sequence

SEEN = 3
"""So many tokens in the same order as before are where a repetition is looked for."""

SURE = 8
"""So many tokens must have been drafted rightly in a row before the engine is asked about more than one: a draft that
does not hold costs as much as one that does. And a draft is no longer than half of what was drafted so far."""

LONGEST = 16
"""Tokens of a draft at most."""


class Drafter:
    """Follows a text, beginning with its prompt, and drafts what comes next where it repeats itself."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        self._place: int | None = None
        """Where in the text the next token stands already, if it repeats itself."""
        self.hits = 0
        """Tokens drafted rightly in a row."""
        for token in ids:
            self.add(token)
        self.hits = 0  # what the prompt repeats says nothing about what is written

    @property
    def sure(self) -> bool:
        """Whether there is anything to draft."""
        return self.hits >= SURE

    def add(self, token: int) -> None:
        """The text goes on with this token."""
        place = self._place
        self._ids.append(token)
        last = tuple(self._ids[-SEEN:])
        if place is not None and self._ids[place] == token:
            self._place, self.hits = place + 1, self.hits + 1
        else:
            self._place, self.hits = self._after.get(last), 0
        if len(last) == SEEN:
            self._after[last] = len(self._ids)

    def draft(self, most: int) -> list[int]:
        """At most so many tokens that will probably follow; none where that is not sure."""
        if not self.sure or self._place is None:
            return []
        start, period = self._place, len(self._ids) - self._place
        return [self._ids[start + step % period] for step in range(max(0, min(most, self.hits // 2, LONGEST)))]
