"""Picking the next token: greedily or by chance, freely or within a grammar.

Chance is drawn here and not by the engine, so that one seed says the same with every engine and version of it.
"""

from __future__ import annotations

import ctypes
import re

import numpy as np
import numpy.typing as npt

from pytest_slm.backends.llamacpp.binding.functions import Candidates, TokenData
from pytest_slm.backends.llamacpp.context import Context
from pytest_slm.backends.llamacpp.grammars import grammar_of
from pytest_slm.core.types import Request
from pytest_slm.errors import BackendError

CANDIDATE = np.dtype(TokenData)

MAX_GRAMMAR = 64 * 1024

Logits = npt.NDArray[np.float32]


class Sampler:
    """Picks tokens for one request, in its own random sequence. ``close`` it when the request is done."""

    def __init__(self, context: Context, request: Request) -> None:
        self._request = request
        self._chance = None if request.temperature == 0 else np.random.default_rng(request.seed & 0xFFFFFFFFFFFFFFFF)
        self._grammar = _Grammar.of(context, request)

    def close(self) -> None:
        """Free what the engine holds for it."""
        if self._grammar is not None:
            self._grammar.close()
            self._grammar = None

    def pick(self, logits: Logits, favourite: int, *, free: bool = False) -> int:
        """The next token; ``favourite`` is the likeliest. It counts as written: a grammar goes on from there, unless it
        was ``free``."""
        token = favourite if self._chance is None else self._draw(logits)
        if self._grammar is not None and not free:
            # Trying the favourite costs one candidate, asking the grammar about the vocabulary 50,000. Without top_k
            # and top_p the result is distributed as if all forbidden tokens had been struck out first; with them they
            # are struck out only where the first choice was forbidden, as in llama.cpp's own sampler.
            if not self._grammar.allows(token):
                allowed = self._grammar.allowed(logits)
                token = int(allowed[logits[allowed].argmax()] if self._chance is None else self._draw(logits, allowed))
            self._grammar.accept(token)
        return token

    def _draw(self, logits: Logits, among: npt.NDArray[np.int64] | None = None) -> int:
        """A token by chance, of all or of those ``among`` which it must be: of the ``top_k`` likeliest those that make
        up ``top_p`` of them together and have ``min_p`` of the likeliest's share, at the temperature; in this order, as
        llama.cpp has it."""
        request, values = self._request, (logits if among is None else logits[among]).astype(np.float64)
        kept = np.arange(len(values))
        if 0 < request.top_k < len(values):
            kept = np.argpartition(values, -request.top_k)[-request.top_k :]
        if request.top_p < 1:
            kept = kept[np.argsort(-values[kept], kind="stable")]
            shares = np.cumsum(_weights(values[kept]))
            kept = kept[: int(np.searchsorted(shares, request.top_p * shares[-1])) + 1]
        if request.min_p > 0:
            kept = kept[_weights(values[kept]) >= request.min_p]
        sums = np.cumsum(_weights(values[kept] / request.temperature))
        assert self._chance is not None
        place = int(np.searchsorted(sums, self._chance.random() * sums[-1], side="right"))
        token = kept[min(place, len(kept) - 1)]
        return int(token if among is None else among[token])


def _weights(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    weights: npt.NDArray[np.float64] = np.exp(values - values.max())
    return weights


class _Grammar:
    """What may be said, as the engine's own grammar has it."""

    def __init__(self, context: Context, source: str) -> None:
        self._context, self._c = context, context.model.library.c
        self._rules = self._c.grammar_open(context.model.vocab, source.encode(), b"root")
        if not self._rules:
            engine = context.model.library.engine
            raise BackendError(
                f"grammar: {engine} cannot read it: {source[:80]!r}; check it against the GBNF guide", slug="grammar"
            )

    @classmethod
    def of(cls, context: Context, request: Request) -> _Grammar | None:
        """The grammar of a request; None if it has none. Raises BackendError for one that cannot be used."""
        source = request.grammar if request.json_schema is None else _schema_grammar(request)
        if source is None:
            return None
        if len(source) > MAX_GRAMMAR:
            raise BackendError(f"grammar: {len(source)} characters, the limit is {MAX_GRAMMAR}", slug="grammar")
        if not re.search(r"^\s*root\s*::=", source, re.MULTILINE):
            problem = "grammar: no rule is called root; write `root ::= ...` (llama.cpp's GBNF)"
            raise BackendError(problem, slug="grammar")
        return cls(context, source)

    def allows(self, token: int) -> bool:
        """Whether this token may come next."""
        alone = np.zeros(1, dtype=CANDIDATE)
        alone["id"] = token
        return bool(np.isfinite(self._apply(alone)["logit"][0]))

    def allowed(self, logits: Logits) -> npt.NDArray[np.int64]:
        """The tokens that may come next. Raises BackendError if there are none."""
        candidates = np.zeros(len(logits), dtype=CANDIDATE)
        candidates["id"] = np.arange(len(logits), dtype=np.int32)
        candidates["logit"] = logits
        found = np.flatnonzero(np.isfinite(self._apply(candidates)["logit"]))
        if not len(found):
            raise BackendError("the grammar allows no further token of this vocabulary", slug="grammar")
        return found

    def accept(self, token: int) -> None:
        """It was said."""
        self._c.grammar_accept(self._rules, self._context.handle, token)

    def close(self) -> None:
        """Free the engine's memory for it."""
        self._c.grammar_free(self._rules)

    def _apply(self, candidates: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """The same array, in which what is forbidden is not finite."""
        data = ctypes.cast(candidates.ctypes.data, ctypes.POINTER(TokenData))
        array = Candidates(data=data, size=len(candidates), selected=-1, sorted=False)
        self._c.grammar_apply(self._rules, self._context.handle, ctypes.byref(array))
        return candidates


def _schema_grammar(request: Request) -> str:
    try:
        return grammar_of(request.json_schema)
    except ValueError as error:
        raise BackendError(f"json_schema: {error}", slug="grammar") from None
