"""All that is wrong in one file, collected while it is read and told at once."""

from __future__ import annotations

from pathlib import Path

from pytest_slm.errors import UsageError, shown


class WrongFileError(UsageError):
    """A file with one mistake or more: each is a line with its place and its slug; ``slug`` is that of the first."""

    def __init__(self, mistakes: tuple[UsageError, ...]) -> None:
        super().__init__(mistakes[0].args[0], slug=mistakes[0].slug)
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(map(str, self.mistakes))


class Mistakes:
    """The mistakes of the file ``path``, in the order in which they are found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[tuple[int, str], str] = {}

    def at(self, key: str) -> bool:
        """Whether ``key`` or something in it is wrong."""
        return any(message.startswith((f"{key}:", f"{key}.", f"{key}[")) for _, message in self._found)

    def add(self, line: int, message: str, slug: str) -> None:
        """One more, unless it is known: what an alias repeats is wrong once."""
        self._found.setdefault((line, shown(message)), slug)

    def check(self) -> None:
        """Raise WrongFileError if there are any, with the mistakes in the order of their lines."""
        if self._found:
            found = sorted(self._found.items(), key=lambda item: item[0][0])
            raise WrongFileError(
                tuple(UsageError(f"{self.path}:{line}: {message}", slug=slug) for (line, message), slug in found)
            )
