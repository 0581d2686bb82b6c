"""A model that says what a script tells it to: for tests, for plugin authors, and for trying things without weights.

The script is a JSON file, named as ``--slm-model=fake:script.json``::

    {"context_length": 4096,
     "capabilities": ["chat", "generate", "loglikelihood", "tokens", "timing", "tools"],
     "rules": [{"contains": "capital of France", "text": "Paris"},
               {"contains": "boom", "action": "crash"}],
     "text": "I do not know.",
     "reasoning": "The user asks something.",
     "chat_template": "{{ messages[0].content }}{% if enable_thinking %}<think>\\n{% endif %}",
     "start": "ok",
     "pace_s": [0.01, 0.011],
     "buffers": {"weights": 1000},
     "quantizations": ["scripted"]}

The first rule whose ``contains`` is in the last message (or the context, or the continuation) decides; of several texts
in a list the seed chooses where there is a temperature, and the first one is the greedy answer; ``logprob``
sets the log-likelihood of a continuation (default: minus one per word). ``reasoning``, of a rule or of the script, is
thought before the ``text``, in the marks of the ``chat_template`` (else ``<think>``), unless that has a word for
thinking and it is off; what the template writes is used for nothing but to see whether it has opened the thinking.
Actions: ``crash`` kills the process, ``hang`` never answers, ``spin`` neither, and keeps the interpreter's lock,
``pause`` answers late (with ``until`` as soon as there is a file of that name), ``error`` raises, ``grow`` takes
``bytes`` of memory and keeps them. ``start`` may be one of these too. ``pace_s``: seconds that a token is said to take
(nobody waits for them), another one in each call, in turn; without it the times are those of this file's own loops.
Every one of the ``quantizations`` answers alike. Tokens are white-space words.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.backends.protocol import (
    CAPABILITIES,
    CHAT,
    Delivery,
    EngineTest,
    EngineTimes,
    ModelSpec,
    Progress,
    Workload,
    ignored,
    silent,
)
from pytest_slm.core.backend_info import BackendInfo
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import Generation, GenerationTimes, Request
from pytest_slm.errors import BackendError
from pytest_slm.files import parse_json, read_bytes
from pytest_slm.prompts.pairs import shown_of
from pytest_slm.prompts.switches import switch_of, thinks, variables_of
from pytest_slm.prompts.template import chat_template, chosen
from pytest_slm.prompts.thinking import COMMON, Marks, opened_by
from pytest_slm.prompts.writing import ThinkingRules, Writing

PAUSE_S = 0.3
"""Longer than the time between two words of the host."""

GROWTH = 2**24
"""Bytes that are taken at once."""

TEMPLATE_TOKENS = 3
"""What the pretended chat template adds to every conversation."""


class Fake:
    """A scripted backend; see the module's first lines for the script."""

    def __init__(self, spec: ModelSpec) -> None:
        self.files = [Path(spec.path)] if spec.path else []
        script = read_bytes(spec.path) if spec.path else b"{}"
        self._script: Mapping[str, Any] = parse_json(script)
        self._sha256 = hashlib.sha256(script).hexdigest()
        self._held: list[bytes] = []
        self._act(self._script.get("start", "ok"), self._script)
        self._template = chosen(spec.chat_template, self._script.get("chat_template"))
        self._thinking = spec.thinking
        self._closings: list[str] = []
        self._switch = None if self._template is None else switch_of(self._template)
        self._rules = ThinkingRules.of(self._template, spec.thinking, self._closing_ids, self._switch)
        self._context = int(self._script.get("context_length", 4096))
        self._paces = itertools.cycle(self._script["pace_s"]) if self._script.get("pace_s") else None
        given = {CHAT} if spec.chat_template is not None else set()
        self.capabilities = frozenset(self._script.get("capabilities", CAPABILITIES)) | given

    def describe(self) -> BackendInfo:
        return BackendInfo(
            name="fake",
            engine_version="1",
            n_ctx=self._context,
            n_batch=self._context,
            vocab_size=self._script.get("vocab_size"),
            thinking=self._thinking,
            chat_template_sha256=hashlib.sha256(self._template.encode()).hexdigest() if self._template else None,
            weights_sha256=self._sha256,
        )

    def count_tokens(self, requests: Sequence[Request]) -> list[int]:
        return [self._n_prompt(request) for request in requests]

    def generate(
        self,
        requests: Sequence[Request],
        progress: Progress = silent,
        finished: Delivery[Generation] = ignored,
    ) -> list[Generation]:
        generations = []
        for number, request in enumerate(requests):
            progress(number, len(requests))
            generations.append(self._generate(request))
            finished(number, generations[-1])
        return generations

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Delivery[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        scores = []
        for number, (context, continuation) in enumerate(pairs):
            progress(number, len(pairs))
            scores.append(self._score(context, continuation))
            finished(number, scores[-1])
        return scores

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> list[LogLikelihood]:
        return [self._score("", text) for text in texts]

    def workload_of_requests(self, requests: Sequence[Request]) -> Workload:
        """Words, each computed."""
        return _workload([self._n_prompt(request) for request in requests])

    def workload_of_pairs(self, pairs: Sequence[tuple[str, str]]) -> Workload:
        """Words, each computed."""
        return _workload([len(f"{context} {continuation}".split()) for context, continuation in pairs])

    def time(self, test: EngineTest, progress: Progress = silent) -> EngineTimes:
        """A round at the scripted pace."""
        self._act(self._script.get("timing", "ok"), self._script)
        n = test.n_tokens * test.n_sequences
        began = time.perf_counter()
        for token in range(n):
            progress(token, n)
        seconds = next(self._paces) * n if self._paces else time.perf_counter() - began
        return EngineTimes(seconds=seconds, inside_s=seconds, n_evaluated=n)

    def buffers(self) -> dict[str, int]:
        """What the script says."""
        return dict(self._script.get("buffers", {}))

    def close(self) -> None:
        """Nothing is held."""

    def _generate(self, request: Request) -> Generation:
        start = time.perf_counter()
        n_prompt = self._n_prompt(request)
        if n_prompt > self._context:
            raise BackendError(
                f"the prompt has {n_prompt} tokens, the context {self._context}: choose a shorter variant",
                slug="context-too-long",
            )
        opened = self._opened(request)
        left = self._said(request, opened)
        if request.forced_length:
            left = list(itertools.islice(itertools.cycle(left), request.max_tokens))
        writing = Writing(request, self._rules, opened)
        pace = next(self._paces) if self._paces else None
        stamps: list[float] = []
        finish: Any = "stop"
        while left:
            forced = writing.forced()
            if forced is None:
                piece = left.pop(0)
            else:  # what the script would have thought further is not said
                piece, left = self._closings[forced], _pieces(re.split(_ENDS, "".join(left), maxsplit=1)[-1].lstrip())
            stamps.append(time.perf_counter() - start if pace is None else (n_prompt + len(stamps)) * pace)
            if writing.add(piece):
                break
            if writing.full or len(stamps) == self._rules.most(request):
                finish = "length"
                break
        timings = GenerationTimes(
            prepare_s=0.0,
            prefill_s=stamps[0],
            sample_s=0.0,
            token_s=tuple(stamps),
            end_s=stamps[-1],
            n_evaluated=n_prompt,
            detokenize_s=0.0,
        )
        return Generation(
            **writing.finish().to_json(),
            n_prompt=n_prompt,
            n_output=len(stamps),
            finish=finish,
            timings=timings,
            n_unshown=self._n_words(request) - n_prompt,
        )

    def _said(self, request: Request, opened: Marks | None) -> list[str]:
        """What the script says to a request, word by word, with what it thinks before."""
        rule = self._rule(request.turns[-1].content if request.messages else request.prompt or "")
        said = rule.get("text", self._script.get("text", "I do not know."))
        text = str(said[request.seed % len(said) if request.temperature else 0] if isinstance(said, list) else said)
        thought = rule.get("reasoning", self._script.get("reasoning"))
        told = variables_of(self._template or "", self._thinking).values()
        quiet = self._switch is not None and not thinks(self._thinking)
        if thought and all(told) and not quiet and not request.answer_prefix:
            marks = opened or self._rules.known[0]
            text = f"{'' if opened else marks.open}\n{thought}\n{marks.close}\n\n{text}"
        return _pieces(text)

    def _opened(self, request: Request) -> Marks | None:
        if self._template is None or request.messages is None or request.answer_prefix:
            return None
        told = variables_of(self._template, self._thinking)
        messages = self._switch.set(request.turns, self._thinking) if self._switch else request.turns
        prompt = chat_template(self._template, "", "", tuple(told.items())).render(messages, request.tools)
        return opened_by(prompt, self._rules.known)

    def _closing_ids(self, text: str) -> list[int]:
        """What ends a thinking is one token of its own, whatever it is."""
        self._closings.append(text)
        return [len(self._closings) - 1]

    def _score(self, context: str, continuation: str) -> LogLikelihood:
        rule = self._rule(continuation) or self._rule(context)
        words = max(1, len(continuation.split()))
        return LogLikelihood(logprob=float(rule.get("logprob", -words)), is_greedy=False, n_tokens=words)

    def _rule(self, text: str) -> Mapping[str, Any]:
        for rule in self._script.get("rules", ()):
            if rule["contains"] in text:
                self._act(rule.get("action", "ok"), rule)
                return dict(rule)
        return {}

    def _act(self, action: str, options: Mapping[str, Any]) -> None:
        if action == "crash":
            os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        if action == "hang":
            time.sleep(3600)
        if action == "spin":
            max(itertools.repeat(0))  # a loop in C: no other thread of this process runs from now on
        if action == "pause" and "until" not in options:
            time.sleep(PAUSE_S)
        while action == "pause" and "until" in options and not Path(options["until"]).exists():
            time.sleep(PAUSE_S / 10)
        if action == "error":
            raise BackendError("the script says that this fails", slug="scripted")
        if action == "grow":
            for _ in range(0, int(options["bytes"]), GROWTH):
                self._held.append(b"\1" * GROWTH)  # zeros would not be in RAM before they are written to

    def _n_prompt(self, request: Request) -> int:
        return len(shown_of([0] * self._n_words(request), request, self._context, self._rules.most(request)))

    @staticmethod
    def _n_words(request: Request) -> int:
        if request.prompt_ids is not None:
            return len(request.prompt_ids)
        if request.messages is not None:
            return sum(len(m.content.split()) + TEMPLATE_TOKENS for m in request.messages)
        return len((request.prompt or "").split())


_ENDS = "|".join(re.escape(marks.close) for marks in COMMON)


def _pieces(text: str) -> list[str]:
    """A text word by word, with the white space before each and at the end."""
    words = re.findall(r"\s*\S+", text) or [""]
    return [*words[:-1], words[-1] + text[len("".join(words)) :]]


def _workload(words: Sequence[int]) -> Workload:
    return Workload(
        shown=sum(words),
        evaluated=sum(words),
        depth=sum(n * (n - 1) // 2 for n in words),
        predicted=len(words),
        steps=len(words),
        together=1,
        cells=max(words, default=0),
        outputs=1,
    )
