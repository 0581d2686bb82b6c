"""Text to token ids and back, by the tokenizer that comes with the weights."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from pytest_slm.backends.control import ControlTokens
from pytest_slm.prompts.template import chosen

CACHED_TEXTS = 8
"""The choices of a question follow one another: their context is tokenized once."""

LOOK_BACK = 8
"""Tokens of the prompt that decoding begins with, so that the first new token is no beginning of a text."""


class TransformersTokenizer:
    """A tokenizer of transformers, with the rules of docs/tokenization.md around it."""

    def __init__(self, source: Any, chat_template: str | None = None) -> None:
        self._source, self._asked_template = source, chat_template
        source.model_max_length = int(1e12)  # the context is limited elsewhere; no warning at every long text
        self.bos = -1 if source.bos_token_id is None else int(source.bos_token_id)
        self.eos = -1 if source.eos_token_id is None else int(source.eos_token_id)
        self._encode = functools.lru_cache(CACHED_TEXTS)(self._encoded)
        self.adds_bos = self.bos >= 0 and self.tokenize("a", add_special=True, parse_special=False)[:1] == [self.bos]
        added = source.added_tokens_decoder.values()
        special = (str(token) for token in added if token.special)
        special_tokens = [*source.all_special_tokens, *special]
        self.control = ControlTokens(special_tokens)
        first = self.tokenize("a", add_special=False, parse_special=True)
        behind = [self.tokenize(f"{token}a", add_special=False, parse_special=True) for token in special_tokens[:1]]
        self._space_at_start = any(ids[1:] != first for ids in behind)

    @property
    def start(self) -> int:
        """What stands before the first token of a text: BOS, or EOS in models without one."""
        return self.bos if self.bos >= 0 else self.eos

    @property
    def chat_template(self) -> str | None:
        """The chat template that was asked for, else the model's own; of several the one called default."""
        template = self._source.chat_template
        return chosen(self._asked_template, template.get("default") if isinstance(template, dict) else template)

    @property
    def tool_template(self) -> str | None:
        """Of several chat templates the one called tool_use."""
        template = self._source.chat_template
        return template.get("tool_use") if isinstance(template, dict) else None

    def spelled(self, token: int) -> str:
        """How a special token is written in templates; empty for a token that the model does not have."""
        return str(self._source.convert_ids_to_tokens(token)) if token >= 0 else ""

    # -- text to tokens ------------------------------------------------------------------------------------------

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Token ids of a text. ``add_special`` adds BOS where the model wants it; ``parse_special`` reads control
        tokens such as ``<|im_end|>`` as what they are instead of as plain characters."""
        return list(self._encode(text, add_special, parse_special))

    def _encoded(self, text: str, add_special: bool, parse_special: bool) -> Sequence[int]:
        ids = self._source.encode(text, add_special_tokens=add_special, split_special_tokens=not parse_special)
        return tuple(ids)

    def continued(self, text: str) -> list[int]:
        """Token ids of plain text that stands behind a control token. Some tokenizers put a space before the first word
        of a text only: there it is encoded behind a line's end, which is taken away again."""
        ids = self.tokenize(text, add_special=False, parse_special=False)
        if not self._space_at_start:
            return ids
        lead = self.tokenize("\n", add_special=False, parse_special=False)
        both = self.tokenize("\n" + text, add_special=False, parse_special=False)
        return both[len(lead) :] if both[: len(lead)] == lead else ids

    # -- tokens to text ------------------------------------------------------------------------------------------

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens, control tokens written out; bytes that are no UTF-8 become U+FFFD."""
        return str(self._source.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def continuing(self, prompt: Sequence[int]) -> Continuation:
        """The text that tokens add to a prompt, as they come."""
        return Continuation(self, prompt[-LOOK_BACK:])


class Continuation:
    """The text that tokens add to what stands before them, one token at a time.

    A token has no text of its own: sentencepiece writes a leading space except at the beginning of a text, and a
    character may be spread over several tokens. So the new text is what a decoding with the token has more than one
    without it, from the last place on where a character ended. (``tokenizers.decoders.DecodeStream`` does the same, for
    tokenizers written in Rust only.)
    """

    def __init__(self, tokenizer: TransformersTokenizer, before: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(before)
        self._first = 0
        self._known = len(before)
        self._text = tokenizer.decode(before)

    def add(self, token: int) -> str:
        """What is new; empty while a character is incomplete."""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids[self._first :])
        if text.endswith("\ufffd"):
            return ""
        new = text[len(self._text) :]
        self._first, self._known = self._known, len(self._ids)
        self._text = self._tokenizer.decode(self._ids[self._first :])
        return new

    def finish(self) -> str:
        """What an incomplete character at the end looks like."""
        return self._tokenizer.decode(self._ids[self._first :])[len(self._text) :]
