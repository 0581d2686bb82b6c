"""Tasks of BFCL's single-turn categories: each question is one conversation of one turn."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_slm.backends.protocol import TOOLS
from pytest_slm.bfcl.categories import CALLS, DATASET, IRRELEVANCE, SINGLE_TURN, language_of
from pytest_slm.bfcl.formats import PromptFormat, Texts
from pytest_slm.bfcl.judging import judge
from pytest_slm.bfcl.prompting import PromptForm
from pytest_slm.bfcl.question import BfclQuestion, questions
from pytest_slm.bfcl.rows import read_rows
from pytest_slm.bfcl.syntax import parser
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Request, Talk
from pytest_slm.core.types import Dataset, Sample, Task, Verdict
from pytest_slm.data import tables
from pytest_slm.errors import UsageError
from pytest_slm.files import parse_json, read_bytes
from pytest_slm.kinds.context import RunContext, sha256_of
from pytest_slm.kinds.kind import Kind
from pytest_slm.kinds.options import check_inside
from pytest_slm.kinds.questions import beside, stratified

CALL, NO_CALL, ANY_CALL = "call", "irrelevance_detection", "relevance_detection"
_LEAST_OVERHEAD = 1024
"""Tokens that a chat template may write around a conversation."""


@dataclass(frozen=True, kw_only=True)
class BfclOptions(Record):
    """``prompts`` is the file with the texts of BFCL's prompts, in the suite's folder.

    ``prompting``: ``template`` asks through the tools of the model's own chat template, ``text`` by BFCL's text format,
    ``auto`` by the first where the template writes tools, else by the second. ``format`` is one of BFCL's formats
    (``ret_fmt=json&tool_call_tag=True``; what is left out is as in its own), ``constrained`` lets the model write
    nothing but a list of calls, which may be empty.
    """

    prompts: str
    sha256: str | None = None
    categories: tuple[str, ...] = SINGLE_TURN
    prompting: Literal["auto", "template", "text"] = "auto"
    format: str = ""
    constrained: bool = False
    max_tokens: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        check_inside("prompts", self.prompts)
        unknown = [one for one in self.categories if one not in SINGLE_TURN]
        if unknown or not self.categories:
            raise RecordError(f"categories: expected some of {', '.join(SINGLE_TURN)}, not {unknown or 'none'!s:.80}")
        if self.max_tokens < 1:
            raise RecordError(f"max_tokens: expected a whole number from 1, not {self.max_tokens}")
        form = PromptFormat.parse(self.format)
        if self.constrained and (self.prompting != "text" or form.ret_fmt != "json" or form.tool_call_tag):
            raise RecordError("constrained: it is for `prompting: text` with `format: ret_fmt=json`")


def read_texts(task: Task, name: str, expected_sha256: str | None) -> tuple[Texts, str]:
    """The texts of BFCL's prompts, and the SHA-256 of their file. Raises UsageError where it cannot be read."""
    path = beside(task, name)
    try:
        data = read_bytes(path)
        texts = Texts.from_json(parse_json(data))
    except (OSError, ValueError) as error:
        told = f"{path}: the texts of BFCL's prompts cannot be read ({error!s:.200})"
        raise UsageError(f"{told}; take the file that comes with the suite", slug="bfcl-prompts") from None
    digest = hashlib.sha256(data).hexdigest()
    if expected_sha256 not in (None, digest):
        told = f"{path}: SHA-256 is {digest}, the task declares {expected_sha256}"
        raise UsageError(f"{told}. If the change is meant, declare it and raise the version", slug="samples-changed")
    return texts, digest


class Bfcl(Kind[BfclOptions, BfclQuestion]):
    """Questions of BFCL's single-turn categories, each counting in the group of its category."""

    name = "bfcl"
    options_type = BfclOptions

    def __init__(self, task: Task, options: BfclOptions, variant: str, context: RunContext) -> None:
        super().__init__(task, options, variant, context)
        self._too_long: dict[str, str] = {}

    @classmethod
    def check(cls, task: Task, options: BfclOptions) -> None:
        read_texts(task, options.prompts, options.sha256)

    @classmethod
    def datasets(cls, task: Task) -> Sequence[Dataset]:
        return [Dataset(path=DATASET, config=one) for one in task.options.get("categories", SINGLE_TURN)]

    def ready(self) -> None:
        """Have the data before a model is opened, and what reads the languages of its answers."""
        texts, self._texts_sha256 = read_texts(self.task, self.options.prompts, self.options.sha256)
        self._questions: list[BfclQuestion] = []
        self._tables: list[tables.Table] = []
        for category in self.options.categories:
            rows, table = read_rows(category, self.context.config)
            self._questions += questions(category, rows)
            self._tables.append(table)
        template = self.options.prompting == "template" or (
            self.options.prompting == "auto" and TOOLS in self.backend.capabilities
        )
        if not template:
            for language in {language_of(category) for category in self.options.categories} - {"python"}:
                parser(language)
        self.asking = PromptForm(
            texts=texts,
            form=None if template else PromptFormat.parse(self.options.format),
            max_tokens=self.options.max_tokens,
            seed=self.context.config.seed,
            constrained=self.options.constrained,
        )

    def total(self) -> int | None:
        return len(self._questions)

    def needs(self) -> frozenset[str]:
        return frozenset({TOOLS} if self.options.prompting == "template" else ())

    def samples(self) -> Sequence[BfclQuestion]:
        chosen = choose(self._questions, self.context.limit(self.task), self.context.config.seed)
        self._too_long = self._without_room(chosen)
        return chosen

    def asking_of(self, sample: BfclQuestion) -> PromptForm:
        """How a question is asked."""
        return self.asking

    def describe(self, sample: BfclQuestion) -> Sample:
        asking = self.asking_of(sample)
        group = CALL if sample.category in CALLS else NO_CALL if sample.category in IRRELEVANCE else ANY_CALL
        return Sample(
            id=sample.id,
            input=asking.messages(sample),
            target=list(sample.answers),
            tools=asking.tools(sample),
            metadata={"category": sample.category},
            groups=(group, sample.category),
        )

    def converse(self, sample: BfclQuestion) -> Talk:
        if (told := self._too_long.get(sample.id)) is not None:
            return Verdict(value=None, answer="", explanation=told)
        asking = self.asking_of(sample)
        generation = yield asking.request(sample)
        return judge(sample, generation, asking)

    def provenance(self, samples: Sequence[BfclQuestion]) -> Mapping[str, Any]:
        asked = self.asking
        return {
            **tables.provenance(self._tables),
            "questions": dict(Counter(question.category for question in self._questions)),
            "samples_sha256": sha256_of(samples),
            "prompts_sha256": self._texts_sha256,
            "prompting": "template" if asked.form is None else "text",
            "format": None if asked.form is None else str(asked.form),
            "constrained": asked.constrained,
            "chat_template_sha256": self.backend.describe().chat_template_sha256,
        }

    def _without_room(self, chosen: Sequence[BfclQuestion]) -> dict[str, str]:
        """The questions that do not fit into the model's context, and why. Only those are counted that are long enough
        for it: a token has a byte at least."""
        n_ctx = self.backend.describe().n_ctx
        if n_ctx is None:
            return {}
        wanted = self.context.config.generation
        requests = {question.id: wanted.applied(self.asking_of(question).request(question)) for question in chosen}
        room = n_ctx - _LEAST_OVERHEAD
        long = [name for name, request in requests.items() if _size(request) + request.max_tokens > room]
        counts = self.backend.count_tokens([requests[name] for name in long]) if long else ()
        told = "{} tokens and {} for the answer do not fit into the context of {}"
        return {
            name: told.format(count, requests[name].max_tokens, n_ctx)
            for name, count in zip(long, counts, strict=True)
            if count + requests[name].max_tokens > n_ctx
        }


def _size(request: Request) -> int:
    text = "".join(message.content for message in request.messages or ())
    return len(text.encode("utf-8", "replace")) + len(json.dumps(request.tools, ensure_ascii=False).encode())


def choose(there: Sequence[BfclQuestion], limit: int | None, seed: int) -> list[BfclQuestion]:
    """At most ``limit`` questions: half of them such in which no call is right, as far as there are, and of each half
    every category in proportion to its size, at least one where there is room."""
    if limit is None or limit >= len(there):
        return list(there)
    without = [question for question in there if question.category in IRRELEVANCE]
    others = [question for question in there if question.category not in IRRELEVANCE]
    some = min(len(without), max(limit // 2, limit - len(others)))
    return [
        *stratified(others, limit - some, seed, lambda question: question.category),
        *(stratified(without, some, seed, lambda question: question.category) if some else ()),
    ]
