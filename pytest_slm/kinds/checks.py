"""Tasks of samples and a scorer: every sample is one conversation, every answer gets a verdict."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pytest_slm.backends.protocol import CHAT, TOOLS
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Grading, ModelAsk, Talk
from pytest_slm.core.types import Generation, Message, Request, Sample, Task, Verdict
from pytest_slm.errors import NotAvailableError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.context import sha256
from pytest_slm.kinds.kind import Kind
from pytest_slm.kinds.options import OptionsError, bind_scorer, check_inside
from pytest_slm.kinds.questions import beside, count_questions, read_questions, stratified
from pytest_slm.kinds.samples.generated import GeneratedSamples
from pytest_slm.scorers import DEFAULT_SCORER, Scoring
from pytest_slm.scorers.answer import bad_sample


@dataclass(frozen=True, kw_only=True)
class ChecksOptions(Record):
    """Where the samples are from (``samples``, a file in the suite's folder, or a ``generator``), and how they
    are asked.

    ``tools_prompt`` is a text with ``{tools}`` in it: the functions stand there for models whose chat template does not
    write any, and with ``tools_in_prompt`` for all models. ``opening_only``: the scorer judges the beginning of an
    answer, so that one which was cut off is as good as a whole one. ``bare_text``: without a chat template the texts of
    the conversation stand one after the other, and nothing between them. ``grader`` judges instead of the task's
    scorer.
    """

    samples: str | None = None
    sha256: str | None = None
    generator: str | None = None
    max_tokens: int = 256
    stop: str | tuple[str, ...] = ()
    system: str | None = None
    tools_in_prompt: bool = False
    tools_prompt: str = ""
    opening_only: bool = False
    bare_text: bool = False
    grader: str | None = None

    def __post_init__(self) -> None:
        if (self.samples is None) == (self.generator is None):
            raise RecordError("a task of kind checks has either `samples: data/<name>.jsonl` or `generator: <name>`")
        if self.samples is not None:
            check_inside("samples", self.samples)
        if self.max_tokens < 1:
            raise RecordError(f"max_tokens: expected a whole number from 1, not {self.max_tokens}")
        if (self.tools_in_prompt or self.tools_prompt) and "{tools}" not in self.tools_prompt:
            raise RecordError("tools_prompt: expected a text with {tools} in it, where the functions will stand")

    def request(
        self,
        sample: Sample,
        seed: int,
        *,
        alone: bool = False,
        bare: bool = False,
        schema: Mapping[str, Any] | None = None,
    ) -> Request:
        """The request that a sample becomes: greedy, unless the user wants it otherwise; with a ``schema`` within its
        grammar."""
        messages = self.conversation(sample.messages(), sample.tools)
        return Request(
            messages=None if bare else messages,
            prompt="".join(message.content for message in messages) if bare else None,
            tools=() if self.tools_in_prompt or bare else sample.tools,
            max_tokens=self.max_tokens,
            stop=(self.stop,) if isinstance(self.stop, str) else self.stop,
            seed=seed,
            alone=alone,
            json_schema=schema,
        )

    def conversation(self, messages: tuple[Message, ...], tools: Sequence[Mapping[str, object]]) -> tuple[Message, ...]:
        """The messages, with the system text or the functions before them."""
        system = self.system
        if tools and self.tools_in_prompt:
            listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
            # replace, not format: the text shows JSON, and its braces are no placeholders
            told = self.tools_prompt.replace("{tools}", listed)
            system = f"{system}\n\n{told}" if system else told
        return (Message(role="system", content=system), *messages) if system else messages


class Scorings:
    """How the samples of a task are scored: as the task says, and each as its own ``scoring`` says."""

    def __init__(self, task: Task, extensions: Extensions) -> None:
        self._task, self._scorers = task, extensions.scorers
        self._known: dict[str, Scoring] = {}

    def of(self, own: Mapping[str, Any]) -> Scoring:
        """The task's scorer with a sample's options in place of the task's. Raises OptionsError for wrong ones."""
        key = json.dumps(own, sort_keys=True)
        if key not in self._known:
            name, folder = self._task.scorer or DEFAULT_SCORER, Path(self._task.path).parent
            self._known[key] = bind_scorer(self._scorers, folder, name, {**self._task.scoring, **own})
        return self._known[key]

    def check(self, sample: Sample) -> None:
        """Raise UsageError for a sample that cannot be scored."""
        try:
            self.of(sample.scoring).check(sample)
        except OptionsError as error:
            raise bad_sample(sample, ": ".join(error.mistakes("scoring")[0])) from None


class Checks(Kind[ChecksOptions, Sample]):
    """Samples from a file or a generator, answered in the model's own words."""

    name = "checks"
    options_type: ClassVar[type[ChecksOptions]] = ChecksOptions

    @functools.cached_property
    def generated(self) -> GeneratedSamples | None:
        """The samples of the generator; None where they are those of a file."""
        name = self.options.generator
        return None if name is None else GeneratedSamples(name, self, self._request)

    @classmethod
    def count(cls, task: Task, options: ChecksOptions) -> int | None:
        return None if options.samples is None else count_questions(beside(task, options.samples))

    @classmethod
    def check_samples(cls, task: Task, options: ChecksOptions, extensions: Extensions) -> None:
        if options.samples is not None:
            check = Scorings(task, extensions).check if options.grader is None else None
            read_questions(beside(task, options.samples), Sample, "sample", options.sha256, check)

    def ready(self) -> None:
        """What judges must be there, and a variant of a declared length needs room for its answer too."""
        if self.generated is not None:
            self.generated.ready()
        self.scorings = Scorings(self.task, self.context.extensions)
        if self.options.grader is None:
            scoring = self.scorings.of({})
            scoring.rule.ready(scoring.options)
        n_ctx, declared = self.backend.describe().n_ctx, self.task.variants.get(self.variant, {})
        answer = self.context.config.generation.max_tokens or self.options.max_tokens
        tokens = declared.get("context_tokens")
        if (whole := declared.get("max_seq_length")) is not None:  # the answer that the task declares is part of it
            tokens = int(whole) - self.options.max_tokens
        if self.options.tools_prompt and TOOLS not in self.backend.capabilities:
            self.options = replace(self.options, tools_in_prompt=True)
        if tokens is not None and n_ctx is not None and int(tokens) + answer > int(n_ctx):
            raise NotAvailableError(
                f"{tokens} tokens and {answer} for the answer do not fit into the context of {n_ctx}; allow more if "
                "--slm-n-ctx or the submission's n_ctx is the limit, or take a model with a longer one",
                slug="context-too-short",
            )

    def samples(self) -> Sequence[Sample]:
        if self.options.samples is not None:
            limit, seed = self.context.limit(self.task), self.context.config.seed
            there = read_samples(beside(self.task, self.options.samples), self.options.sha256)
            return stratified(there, limit, seed, lambda one: next(iter(one.parts), ""), lambda one: one.cluster)
        assert self.generated is not None
        made = self.generated.samples()
        for sample in made if self.generated.finite and self.options.grader is None else ():
            self.scorings.check(sample)  # of a file it was done while collecting
        return made

    def total(self) -> int | None:
        return self.count(self.task, self.options) if self.generated is None else self.generated.total()

    def converse(self, sample: Sample) -> Talk:
        generation: Generation = yield self.asked(sample)
        return (yield from self.judged(sample, generation))

    def asked(self, sample: Sample) -> Request:
        """The question about a sample."""
        alone = self.options.grader is None and self.scorings.of(sample.scoring).timed
        schema = self._schema(sample) if self._constrained else None
        return self.options.request(sample, self.context.config.seed, alone=alone, bare=self._bare, schema=schema)

    @property
    def _constrained(self) -> bool:
        """Whether the variant wants every answer within the grammar of its JSON Schema."""
        return bool(self.task.variants.get(self.variant, {}).get("constrained"))

    def _schema(self, sample: Sample) -> Mapping[str, Any]:
        """The schema that the sample is scored by. Raises UsageError where it has none."""
        schema = getattr(self.scorings.of(sample.scoring).options, "schema", None)
        if not isinstance(schema, Mapping):
            raise bad_sample(sample, "its variant is constrained, and no schema says to what; give it one in `scoring`")
        return schema

    def judged(self, sample: Sample, generation: Generation) -> Talk:
        """What the answer is worth, by the scorer or the grader."""
        grader = self.options.grader
        if generation.ending == "censored":
            # An empty answer would be right where nothing is wanted.
            return Verdict(value=0.0, answer="", explanation="no answer: its length was spent in the thinking")
        if grader is not None:
            verdict: Verdict = yield Grading(grader=grader, sample=sample, generation=generation)
            return verdict
        return self.scorings.of(sample.scoring).judge(sample, generation)

    def right(self, sample: Sample, ask: ModelAsk) -> str:
        if self.options.grader is not None:
            raise NotAvailableError(f"the grader {self.options.grader!r:.80} judges", slug="no-gold")
        scoring = self.scorings.of(sample.scoring)
        texts = sample.right_answers or tuple(scoring.rule.right(sample, scoring.options))
        if not texts:
            told = f"no answer to sample {sample.id!r:.80} must be right; give it `right_answers`"
            raise NotAvailableError(told, slug="no-gold")
        return texts[0]

    def provenance(self, samples: Sequence[Sample]) -> Mapping[str, Any]:
        tools = "prompt" if self.options.tools_in_prompt else "template"
        own = self.scorings.of({}) if self.options.grader is None else None
        return {
            **({"tools": tools} if any(sample.tools for sample in samples) else {}),
            **({} if self.generated is None else self.generated.provenance()),
            **({"asked_as": "bare text" if self._bare else "conversation"} if self.options.bare_text else {}),
            "samples_sha256": sha256(*map(_asked, samples)),
            "chat_template_sha256": self.backend.describe().chat_template_sha256,
            "scorer": self.task.scorer,
            **({"scoring": self.task.scoring} if self.task.scoring else {}),
            **({} if own is None else own.rule.identity(own.options)),
        }

    @property
    def counts_cuts(self) -> bool:
        return not self.options.opening_only

    @property
    def seeded(self) -> bool:
        return self.generated is not None and not self.generated.finite

    @property
    def plain_instead(self) -> bool:
        return self.options.bare_text and self.context.config.generation.plain

    @property
    def _bare(self) -> bool:
        """Whether its conversations are asked as bare text."""
        return self.options.bare_text and (self.plain_instead or CHAT not in self.backend.capabilities)

    def _request(self, messages: tuple[Message, ...]) -> Request:
        return self.options.request(Sample(id="", input=messages), 0, bare=self._bare)


def _asked(sample: Sample) -> str:
    """A sample without what nobody is asked by, as text."""
    told = {key: value for key, value in sample.to_json().items() if key not in ("right_answers", "wrong_answers")}
    return json.dumps(told, sort_keys=True)


def read_samples(path: Path, sha256: str | None = None) -> list[Sample]:
    """The samples of a file; its hash must be the one that the task declares."""
    return read_questions(path, Sample, "sample", sha256)
