"""How many cells of the KV memory are taken, where sequences share their beginnings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Held:
    """A prompt in memory: its tokens, and how many of them it shares with the one that was admitted before it."""

    length: int
    shared: int


class PromptCells:
    """The cells of prompts that were admitted one after the other, each sharing a beginning with the one before.

    A prompt that leaves gives its cells back but for those that others still stand on.
    """

    def __init__(self) -> None:
        self._held: list[Held] = []

    @property
    def total(self) -> int:
        """Cells in use."""
        return sum(held.length - held.shared for held in self._held)

    def admit(self, length: int, shared: int) -> Held:
        """Take a prompt in; ``shared`` tokens of it are those of the prompt that was admitted last."""
        held = Held(length, shared if self._held else 0)
        self._held.append(held)
        return held

    def leave(self, held: Held) -> None:
        """Let a prompt go. The next one then shares with the one before only what all three had in common."""
        place = next(index for index, other in enumerate(self._held) if other is held)
        del self._held[place]
        if place < len(self._held):
            self._held[place].shared = min(held.shared, self._held[place].shared)
