"""What is asked of a model that scores, as token ids: contexts with continuations, and long texts in windows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Protocol

from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import Request
from pytest_slm.errors import BackendError

Ids = Sequence[int]


class PairTokenizer(Protocol):
    """As much of a tokenizer as splitting needs; ``start`` is the token that stands before a text, BOS or else EOS."""

    @property
    def start(self) -> int: ...

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]: ...


def split_pairs(
    tokenizer: PairTokenizer, pairs: Sequence[tuple[str, str]], threads: int = 1
) -> list[tuple[list[int], list[int]]]:
    """``split_pair`` of many, on so many threads: the engine waits for it, and with examples in every prompt it is much
    text. The tokenizer must let go of the interpreter, and bear several callers."""
    size = max(1, -(-len(pairs) // max(1, threads)))
    parts = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        return [found for part in pool.map(lambda part: _split_run(tokenizer, part), parts) for found in part]


def _split_run(tokenizer: PairTokenizer, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
    tokenizer = _CachedTokenizer(tokenizer)
    return [split_pair(tokenizer, context, continuation) for context, continuation in pairs]


class _CachedTokenizer:
    """A tokenizer that remembers its last texts: the choices of a question follow each other and have one context."""

    def __init__(self, tokenizer: PairTokenizer) -> None:
        self.start = tokenizer.start
        self._tokenize = lru_cache(maxsize=4)(
            lambda text, special, parse: tokenizer.tokenize(text, add_special=special, parse_special=parse)
        )

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        return self._tokenize(text, add_special, parse_special)


def split_pair(tokenizer: PairTokenizer, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Token ids of context and continuation, split as lm-eval's HFLM splits them.

    White space at the end of the context moves to the continuation, and the two are tokenized together: the ids of the
    continuation are what the whole has beyond as many as the context alone has. Where the two merge into one token
    ("wor" and "ld"), the context keeps its own ids, as there. An empty context is the token that starts a text.
    """
    if not continuation:
        raise BackendError("an empty continuation has no likelihood", slug="empty-continuation")
    if not context:
        return [tokenizer.start], tokenizer.tokenize(continuation, add_special=False, parse_special=False)
    stripped = context.rstrip()
    context, continuation = stripped, context[len(stripped) :] + continuation
    whole = tokenizer.tokenize(context + continuation, add_special=True, parse_special=False)
    head = tokenizer.tokenize(context, add_special=True, parse_special=False)
    if not head:  # the context was white space only
        return [tokenizer.start], whole
    return head, whole[len(head) :]


def fitted(pairs: Sequence[tuple[Ids, Ids]], limit: int) -> list[tuple[Ids, Ids]]:
    """The pairs, those that are longer than a context of ``limit`` without their left end. Raises BackendError for a
    continuation that is empty or does not fit by itself."""
    result = []
    for head, tail in pairs:
        if not tail:
            raise BackendError("the continuation adds no token of its own to the context", slug="empty-continuation")
        if len(tail) > limit:
            raise BackendError(
                f"a continuation of {len(tail)} tokens does not fit into a context of {limit}", slug="context-too-long"
            )
        # One more than the context: the last token is predicted but never shown to the model.
        result.append((head[-(limit + 1 - len(tail)) :], tail))
    return result


def shown_of(ids: list[int], request: Request, limit: int, most: int | None = None) -> list[int]:
    """The ids of a prompt that are shown in a context of ``limit``: all, or its end where the request says so
    (``keep_end``), as lm-eval's HFLM does before it generates. ``most`` tokens may follow: thinking with a limit of its
    own, and the answer (default: the answer). Raises BackendError if they need all the room."""
    if not request.keep_end:
        return ids
    following = request.max_tokens if most is None else most
    room = limit - following
    if room < 1:
        thinking = following - request.max_tokens
        taken = f" and {thinking} of thinking leave" if thinking else " leaves"
        raise BackendError(
            f"an answer of {request.max_tokens} tokens{taken} no room for a prompt in a context of {limit}",
            slug="context-too-long",
        )
    return ids[-room:]


def rolling_windows(ids: Ids, start: int, limit: int) -> list[tuple[Ids, Ids]]:
    """Cut a long text into disjoint windows, each predicted with as much context as fits.

    As lm-eval's ``get_rolling_token_windows`` with a context of 1: every token is predicted once, the first window
    begins with ``start``, later ones with the token before them, and the last one looks back as far as it can.
    """
    windows: list[tuple[Ids, Ids]] = []
    for position in range(0, len(ids), limit):
        end = min(position + limit, len(ids))
        head = [start] if position == 0 else list(ids[max(0, end - limit - 1) : position])
        windows.append((head, list(ids[position:end])))
    return windows


class PairSum:
    """Adds up the log-probabilities of one request's tokens, in whatever order they come: the pair that was asked for,
    and as much of it as is shown."""

    def __init__(self, asked: tuple[Ids, Ids], shown: tuple[Ids, Ids]) -> None:
        self._n_tokens, self._n_prompt = len(shown[1]), len(shown[0])
        self._n_unshown = len(asked[0]) - len(shown[0])
        self._logprob = 0.0
        self._is_greedy = True
        self._added = 0

    def add(self, logprob: float, greedy: bool) -> LogLikelihood | None:
        """The result, once the last token has been added."""
        self._logprob += logprob
        self._is_greedy = self._is_greedy and greedy
        self._added += 1
        if self._added < self._n_tokens:
            return None
        return LogLikelihood(
            logprob=self._logprob,
            is_greedy=self._is_greedy,
            n_tokens=self._n_tokens,
            n_prompt=self._n_prompt,
            n_unshown=self._n_unshown,
        )
