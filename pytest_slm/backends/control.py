"""Control tokens such as ``<|im_end|>``: those of a chat template and those that a user's text spells are told apart,
and the one that ends a turn is found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pytest_slm.core.types import Message
from pytest_slm.errors import BackendError
from pytest_slm.prompts.template import chat_template

if TYPE_CHECKING:
    from pytest_slm.backends.local import Tokenizer


class ControlTokens:
    """How a vocabulary spells its control tokens: those of a template and those of a user's text are told apart.

    A user's message that spells ``<|im_end|>`` must not end the user's turn. Marks are set before the template is
    rendered, because afterwards nobody can tell the template's words from the user's.
    """

    def __init__(self, spellings: Iterable[str]) -> None:
        # Longest first: of two that begin alike the longer one is meant.
        self._spellings = sorted(set(spellings) - {""}, key=lambda text: (-len(text), text))
        self._any = re.compile("|".join(map(re.escape, self._spellings)) or r"(?!)")

    def __contains__(self, text: str) -> bool:
        return text in self._spellings

    def marked(self, content: str, mark: str) -> str:
        """``content`` with ``mark`` inside of every control token that it spells, so that it spells none."""
        return self._any.sub(lambda spelled: spelled[0][0] + mark + spelled[0][1:], content)

    def parts(self, text: str, mark: str) -> Iterator[tuple[str, bool]]:
        """A rendered template cut into (text, whether it is plain). Where there is no mark (nearly always) it stays in
        one piece, and is tokenized exactly as other engines do it. Otherwise what stands between two of the template's
        control tokens and spells one is plain as a whole: cut any finer, sentencepiece would put a space into it."""
        if mark not in text:
            yield text, False
            return
        parsed = ""
        end = 0
        for found in (*self._any.finditer(text), None):
            between = text[end : found.start() if found else len(text)]
            if mark in between:
                if parsed:
                    yield parsed, False
                yield between.replace(mark, ""), True
                parsed = ""
            else:
                parsed += between
            if found:
                parsed, end = parsed + found[0], found.end()
        if parsed:
            yield parsed, False


SAID = "Zq7xj"
"""An answer that no template writes itself."""

ENDING = re.compile(r"[<\[].{2,}[>\]]")
"""What the end of a turn looks like, in vocabularies that do not call it a control token."""


def end_of_turn(tokenizer: Tokenizer) -> int | None:
    """The token with which the chat template ends an assistant's turn, whatever the model's EOS is: a base model that
    learned to chat often keeps its own. None where the template writes none, or is none.

    llama.cpp finds it by a list of spellings (``llama_vocab::is_eog``).
    """
    if tokenizer.chat_template is None:
        return None
    turns = (("user", "A?"), ("assistant", SAID), ("user", "B?"))
    try:
        template = chat_template(
            tokenizer.chat_template, tokenizer.spelled(tokenizer.bos), tokenizer.spelled(tokenizer.eos)
        )
        text = template.render([Message(role=role, content=content) for role, content in turns])
    except BackendError:  # it is told when somebody asks in a conversation
        return None
    _, said, after = text.partition(SAID)
    ids = tokenizer.tokenize(after.lstrip()[:200], add_special=False, parse_special=True) if said else []
    spelled = tokenizer.spelled(ids[0]) if ids else ""
    ends = spelled and (spelled in tokenizer.control or ENDING.fullmatch(spelled))
    return ids[0] if ends else None
