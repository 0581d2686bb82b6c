"""From a ``Request`` to what a server of a certain kind is sent for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_slm.backends.server.identity import (
    LLAMA_CPP_PYTHON,
    LLAMA_SERVER,
    LM_STUDIO,
    UNKNOWN,
    VLLM,
    Identity,
)
from pytest_slm.core.request import Thinking
from pytest_slm.core.types import Message, Request
from pytest_slm.errors import NotAvailableError
from pytest_slm.prompts.switches import variables_of

CHAT_PATH, TEXT_PATH = "/chat/completions", "/completions"

PLAIN_SAMPLERS: Mapping[str, Mapping[str, float]] = {
    LLAMA_SERVER: {"repeat_penalty": 1.0},
    LLAMA_CPP_PYTHON: {"repeat_penalty": 1.0},
    LM_STUDIO: {"repeat_penalty": 1.0},
    VLLM: {"repetition_penalty": 1.0},
}
"""What would otherwise change the probabilities by a server's own default, by kind of server. Others refuse fields that
they do not know, and get none."""

IGNORES_END = (LLAMA_SERVER, VLLM)
"""Servers that can be told to write on behind the end of the turn."""

TEMPLATE_VARIABLES = (LLAMA_SERVER, VLLM)
"""Servers that pass words on to the chat template."""


def body_of(request: Request, identity: Identity, thinking: Thinking) -> dict[str, Any]:
    """The body of a request whose answer is streamed. Raises NotAvailableError for what this server cannot do."""
    kind = identity.kind
    body: dict[str, Any] = {
        "model": identity.model,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed & 0x7FFFFFFF,  # servers take 32 bits, some of them a sign
        "stream": True,
        **PLAIN_SAMPLERS.get(kind, {}),
    }
    if kind != LLAMA_CPP_PYTHON:  # it does not know them, and tells no counts in a stream
        body["stream_options"] = {"include_usage": True}
    for name in ("top_k", "min_p"):
        if kind in PLAIN_SAMPLERS:
            body[name] = getattr(request, name)
        elif getattr(request, name):
            raise NotAvailableError(f"this server is not known to take {name}", slug="server-setting")
    if request.stop and not request.forced_length and thinking == "off":  # they are not looked for in thinking
        body["stop"] = [stop for stop in request.stop if stop]
    if request.forced_length:
        body |= _forced(request, kind)
    _put_grammar(body, request, kind)
    if request.messages is None:
        body["prompt"] = list(request.prompt_ids) if request.prompt_ids is not None else request.prompt
        return body
    body["messages"] = [message_of(message) for message in request.messages]
    if request.answer_prefix:
        if kind != VLLM:
            raise NotAvailableError(
                "this server is not known to go on behind the beginning of an answer", slug="server-setting"
            )
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.tools:
        body["tools"] = [dict(tool) for tool in request.tools]
    if kind in TEMPLATE_VARIABLES:
        told = variables_of(identity.template, thinking) if identity.template else {"enable_thinking": thinking == "on"}
        if told:
            body["chat_template_kwargs"] = dict(told)
    return body


def message_of(message: Message) -> dict[str, Any]:
    """A message as OpenAI's interface has it: arguments are text, and every call has an id."""
    told = message.as_template()
    for number, call in enumerate(told.get("tool_calls", ())):
        call.setdefault("id", f"call_{number}")
        call["function"] = {**call["function"], "arguments": json.dumps(call["function"]["arguments"])}
    if message.role == "tool":
        told.setdefault("tool_call_id", "call_0")
    return told


def _forced(request: Request, kind: str) -> dict[str, Any]:
    if kind in IGNORES_END:
        more = {"cache_prompt": False} if kind == LLAMA_SERVER else {"min_tokens": request.max_tokens}
        return {"ignore_eos": True, **more}
    return {}


def _put_grammar(body: dict[str, Any], request: Request, kind: str) -> None:
    if request.grammar is not None:
        if kind not in (LLAMA_SERVER, LLAMA_CPP_PYTHON):
            raise NotAvailableError("only servers of llama.cpp take a grammar in its notation", slug="no-grammar")
        body["grammar"] = request.grammar
    if request.json_schema is not None:
        schema = dict(request.json_schema)
        named = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        body["response_format"] = {"type": "json_object", "schema": schema} if kind == LLAMA_CPP_PYTHON else named


__all__ = ["CHAT_PATH", "IGNORES_END", "TEXT_PATH", "UNKNOWN", "body_of", "message_of"]
