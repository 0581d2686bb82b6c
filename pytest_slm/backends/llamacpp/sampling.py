"""Picking the next token: greedily or by chance, freely or within a grammar."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import re
from typing import Any

import llama_cpp as llama
import numpy as np
import numpy.typing as npt
from llama_cpp.llama_grammar import json_schema_to_gbnf

from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.core.types import Request
from pytest_slm.errors import BackendError

CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)], align=True)
"""llama.cpp's llama_token_data."""

MAX_GRAMMAR = 64 * 1024

MAX_SEED = 0xFFFFFFFE
"""One more stands for a seed that nobody knows."""


class Sampler:
    """Picks tokens for one request, in its own random sequence. ``close`` it when the request is done."""

    def __init__(self, model: Model, request: Request) -> None:
        self._n_vocab = model.n_vocab
        self._chain = self._grammar = None
        try:
            self._grammar = _grammar(model, request)
            self._chain = None if request.temperature == 0 else _chain(request)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free what the engine holds for it."""
        for sampler in filter(None, (self._chain, self._grammar)):
            llama.llama_sampler_free(sampler)
        self._chain = self._grammar = None

    def pick(self, logits: npt.NDArray[np.float32], favourite: int, *, free: bool = False) -> int:
        """The next token; ``favourite`` is the likeliest. It counts as written: a grammar goes on from there, unless it
        was ``free``."""
        token = favourite if self._chain is None else self._apply(self._chain, _candidates(logits))
        if self._grammar is not None and not free:
            # Trying the favourite costs one candidate, asking the grammar about the vocabulary 50,000. Without top_k
            # and top_p the result is distributed as if all forbidden tokens had been struck out first; with them they
            # are struck out only where the first choice was forbidden, as in llama.cpp's own sampler.
            if not self._allowed(token):
                token = self._within_grammar(logits)
            llama.llama_sampler_accept(self._grammar, token)
        if self._chain is not None:
            llama.llama_sampler_accept(self._chain, token)
        return token

    def _allowed(self, token: int) -> bool:
        alone = np.zeros(1, dtype=CANDIDATE)
        alone["id"] = token
        _apply(self._grammar, alone)
        return bool(np.isfinite(alone["logit"][0]))

    def _within_grammar(self, logits: npt.NDArray[np.float32]) -> int:
        candidates = _candidates(logits)
        _apply(self._grammar, candidates)
        candidates = candidates[np.isfinite(candidates["logit"])]
        if not len(candidates):
            raise BackendError("the grammar allows no further token of this vocabulary", slug="grammar")
        if self._chain is None:
            return int(candidates["id"][candidates["logit"].argmax()])
        return self._apply(self._chain, np.ascontiguousarray(candidates))

    @staticmethod
    def _apply(chain: Any, candidates: npt.NDArray[Any]) -> int:
        array = _apply(chain, candidates)
        return int(array.data[array.selected].id)


def _candidates(logits: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    candidates = np.zeros(len(logits), dtype=CANDIDATE)
    candidates["id"] = np.arange(len(logits), dtype=np.int32)
    candidates["logit"] = logits
    return candidates


def _apply(sampler: Any, candidates: npt.NDArray[Any]) -> Any:
    """Let a sampler work on candidates, in place."""
    data = ctypes.cast(candidates.ctypes.data, ctypes.POINTER(llama.llama_token_data))
    array = llama.llama_token_data_array(data=data, size=len(candidates), selected=-1, sorted=False)
    llama.llama_sampler_apply(sampler, ctypes.byref(array))
    return array


def _chain(request: Request) -> Any:
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    if request.top_k:
        llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_top_k(request.top_k))
    if request.top_p < 1:
        llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_top_p(request.top_p, 1))
    llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_temp(request.temperature))
    llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_dist(min(request.seed & 0xFFFFFFFF, MAX_SEED)))
    return chain


def _grammar(model: Model, request: Request) -> Any:
    source = request.grammar
    if request.json_schema is not None:
        source = _schema_grammar(request)
    if source is None:
        return None
    if len(source) > MAX_GRAMMAR:
        raise BackendError(f"grammar: {len(source)} characters, the limit is {MAX_GRAMMAR}", slug="grammar")
    if not re.search(r"^\s*root\s*::=", source, re.MULTILINE):
        raise BackendError("grammar: no rule is called root; write `root ::= ...` (llama.cpp's GBNF)", slug="grammar")
    sampler = llama.llama_sampler_init_grammar(model.vocab, source.encode(), b"root")
    if not sampler:
        raise BackendError(
            f"grammar: llama.cpp cannot read it: {source[:80]!r}; check it against the GBNF guide", slug="grammar"
        )
    return sampler


def _schema_grammar(request: Request) -> str:
    try:
        # The converter prints what it does not understand; standard output is the host's.
        with contextlib.redirect_stdout(io.StringIO()):
            return str(json_schema_to_gbnf(json.dumps(request.json_schema)))
    except Exception as error:  # the converter raises whatever its author did not think of
        raise BackendError(f"json_schema: {type(error).__name__}: {error}", slug="grammar") from None
