"""Tokens as a server counts and cuts them, where it says how."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from pytest_slm.backends.server.asking import CHAT_PATH, TEXT_PATH, body_of
from pytest_slm.backends.server.fields import ReplyFields
from pytest_slm.backends.server.http import Alive, Client, unwatched
from pytest_slm.backends.server.identity import LLAMA_SERVER, VLLM, Identity
from pytest_slm.core.request import Thinking
from pytest_slm.core.types import Request
from pytest_slm.errors import NotAvailableError
from pytest_slm.prompts.thinking import COMMON, answered_with


class ServerTokenizer:
    """llama-server's tokenizer, by its endpoint; ``start`` is what stands before a text, BOS or else EOS."""

    def __init__(self, client: Client, identity: Identity) -> None:
        self._client = client
        self._first = identity.bos or identity.eos

    @functools.cached_property
    def start(self) -> int:
        """The token that stands before a text. Raises NotAvailableError where the server tells none."""
        ids = self.tokenize(self._first, add_special=False, parse_special=True) if self._first else []
        if len(ids) != 1:
            raise NotAvailableError("the server does not tell which token begins a text", slug="server-tokens")
        return ids[0]

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Token ids of a text."""
        body = {"content": text, "add_special": add_special, "parse_special": parse_special}
        found = ReplyFields(self._client.url("tokenize"), self._client.ask("tokenize", body))
        ids = found.items("tokens")
        if not all(isinstance(one, int) for one in ids):
            raise NotAvailableError("the server's tokens are no numbers", slug="server-tokens")
        return ids


def as_ids(request: Request, client: Client, identity: Identity, thinking: Thinking, alive: Alive) -> Request:
    """A conversation whose answer is begun as token ids, for llama-server: its own template writes the conversation,
    and the beginning of the answer stands behind that. Other requests, and those to other servers, as they are."""
    if not request.answer_prefix or identity.kind != LLAMA_SERVER:
        return request
    alive()
    body = body_of(replace(request, messages=request.turns), identity, thinking)
    shown = ReplyFields(client.url("apply-template"), client.ask("apply-template", body)).text("prompt")
    behind = answered_with(shown, request.answer_prefix, COMMON)[len(shown) :]
    tokenizer = ServerTokenizer(client, identity)
    ids = [
        *tokenizer.tokenize(shown, add_special=True, parse_special=True),
        *tokenizer.tokenize(behind, add_special=False, parse_special=False),
    ]
    return replace(request, messages=None, tools=(), prompt_ids=tuple(ids))


class TokenCounter:
    """Counts the tokens of prompts, as ``generate`` would show them."""

    def __init__(self, client: Client, identity: Identity, thinking: Thinking) -> None:
        self._client, self._identity, self._thinking = client, identity, thinking

    def count(self, request: Request, alive: Alive = unwatched) -> int:
        """Tokens of one prompt. Raises NotAvailableError where the server does not tell."""
        alive()
        request = as_ids(request, self._client, self._identity, self._thinking, alive)
        if request.prompt_ids is not None:
            return len(request.prompt_ids)
        body = body_of(request, self._identity, self._thinking)
        if self._identity.kind == LLAMA_SERVER:
            if request.messages is None:
                return self._tokens({"content": request.prompt, "add_special": True, "parse_special": False})
            shown = ReplyFields(self._client.url("apply-template"), self._client.ask("apply-template", body))
            return self._tokens({"content": shown.text("prompt"), "add_special": True, "parse_special": True})
        if self._identity.kind == VLLM:
            asked: dict[str, Any] = {key: body[key] for key in ("model", "messages", "prompt", "tools") if key in body}
            n = ReplyFields(self._client.url("tokenize"), self._client.ask("tokenize", asked)).count("count")
        else:
            n = self._answered(body)
        if n is None:
            raise NotAvailableError("the server does not count the tokens of a prompt", slug="server-tokens")
        return n

    def _tokens(self, body: dict[str, Any]) -> int:
        return len(ReplyFields(self._client.url("tokenize"), self._client.ask("tokenize", body)).items("tokens"))

    def _answered(self, body: dict[str, Any]) -> int | None:
        """The prompt's tokens as the shortest answer tells them."""
        asked = {
            key: value for key, value in body.items() if key not in ("stream", "stream_options", "response_format")
        }
        path = CHAT_PATH if "messages" in body else TEXT_PATH
        found = ReplyFields(self._client.url(path), self._client.ask(path, {**asked, "max_tokens": 1}))
        usage = found.inside("usage")
        return usage.count("prompt_tokens") if usage else None
