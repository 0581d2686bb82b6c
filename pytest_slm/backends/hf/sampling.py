"""Picking the next token: greedily or by chance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pytest_slm.core.types import Request
from pytest_slm.errors import NotAvailableError


class Sampler:
    """Picks tokens for one request, in its own random sequence, on the CPU: so it is the same on every device.

    Raises NotAvailableError for requests that ask for a grammar.
    """

    def __init__(self, request: Request) -> None:
        if request.grammar is not None or request.json_schema is not None:
            raise NotAvailableError(
                "the hf backend writes no text within a grammar or JSON schema; use a GGUF and --slm-backend=llamacpp",
                slug="no-grammar",
            )
        self._request = request
        self._random = torch.Generator().manual_seed(request.seed & 0xFFFFFFFF)

    def pick(self, logits: Tensor, favourite: int) -> int:
        """The next token, from logits of shape (vocabulary,); ``favourite`` is the likeliest.

        In llama.cpp's order: the ``top_k`` likeliest, of these the smallest set that holds ``top_p`` of the
        probability, of these the ones that are not too unlikely (``min_p``), and only then the temperature.
        """
        request = self._request
        if request.temperature == 0:
            return favourite
        scores, tokens = logits.float().sort(descending=True, stable=True)
        if request.top_k:
            scores, tokens = scores[: request.top_k], tokens[: request.top_k]
        if request.top_p < 1:
            before = scores.softmax(-1).cumsum(-1).roll(1)
            before[0] = 0
            scores = scores[before < request.top_p]
        if request.min_p:
            scores = scores[scores >= scores[0] + math.log(request.min_p)]
        chances = (scores / request.temperature).softmax(-1)
        return int(tokens[torch.multinomial(chances, 1, generator=self._random)])
