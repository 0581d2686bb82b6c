"""Shell fences: whether a shell would understand them, and whether our own options in them exist."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from pytest_slm.errors import did_you_mean

QUOTED_END = re.compile(r"<<(-?)(['\"])(\w+)\2")


def check_shell(text: str, options: Collection[str]) -> Iterator[tuple[int, str]]:
    """(line from 1 on, problem) of what is wrong: syntax, and ``--slm-`` options that there are not. Prompts (``$ ``)
    are no part of a command: who copies it has to take them away."""
    import bashlex
    import bashlex.errors

    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("$ ", "# pytest", "> ")):
            yield number, f"{line.split()[0]!r} before the command: who copies it would type it"
            return
    # The parser looks for the quotes again where the text ends; places stay where they are.
    text = QUOTED_END.sub(r"<<\1\3  ", text)
    try:
        trees = bashlex.parse(text.strip("\n") + "\n") if text.strip() else []
    except bashlex.errors.ParsingError as error:
        yield _line(text, error.position), f"no shell understands it: {error.message}"
        return
    except NotImplementedError as error:
        yield 1, f"more than the checks can read ({error}): put it into a file"
        return
    for tree in trees:
        for place, word in _words(tree):
            option = word.partition("=")[0]
            if option.startswith("--slm-") and option not in options:
                yield _line(text, place), f"there is no option {option}. {did_you_mean(option, options)}"


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, max(0, position)) + 1


def _words(node: Any) -> Iterator[tuple[int, str]]:
    if node.kind == "word":
        yield node.pos[0], node.word
    for name in ("parts", "list"):
        for part in getattr(node, name, None) or ():
            yield from _words(part)
    if getattr(node, "command", None) is not None and node.kind in ("commandsubstitution", "processsubstitution"):
        yield from _words(node.command)
