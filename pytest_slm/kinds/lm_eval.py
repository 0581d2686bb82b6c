"""lm-eval's tasks and groups, asked in process: its prompts, few-shot examples, filters and metrics, our engine.

A task is built from its own YAML file, without lm-eval's index of all tasks (which takes seconds). The data come from a
mirror (``--slm-data``), laid out as the Hub is, or from the Hub and its local cache.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.backends.protocol import CHAT
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import ModelAsk, Talk
from pytest_slm.core.statistics import figures
from pytest_slm.core.types import JudgedSample, Metric, Request, Sample, Task, Verdict
from pytest_slm.errors import BackendError, SlmError, UsageError, did_you_mean
from pytest_slm.kinds.context import sha256
from pytest_slm.kinds.kind import Conclusion, Kind
from pytest_slm.kinds.programs import endings, try_program
from pytest_slm.kinds.questions import apportion
from pytest_slm.lm_eval import aggregates, asking, gold, judging, programs
from pytest_slm.lm_eval.building import LmEvalTasks, build, check_fewshot
from pytest_slm.lm_eval.likeliest import indifference


@dataclass(frozen=True, kw_only=True)
class LmEvalOptions(Record):
    """``task`` is lm-eval's name of a task or a group; ``num_fewshot`` is the task's own if nothing is said.

    Without ``chat_template`` the prompt is plain text; with it ``fewshot_as_multiturn`` makes the examples turns of
    their own (default: as ``chat_template``). ``cluster`` is a column of the data whose value several questions share,
    such as a passage.
    """

    task: str
    num_fewshot: int | None = None
    chat_template: bool = False
    fewshot_as_multiturn: bool | None = None
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.num_fewshot is not None and self.num_fewshot < 0:
            raise RecordError(f"num_fewshot: expected a whole number from 0, not {self.num_fewshot}")


@dataclass(frozen=True, kw_only=True)
class LmEvalQuestion:
    """A row of a task of lm-eval, and all that lm-eval asks about it."""

    subtask: str
    row: int
    doc: Any
    instances: Sequence[Any]


class LmEval(Kind[LmEvalOptions, LmEvalQuestion]):
    """A seeded sample of the questions; lm-eval makes the requests and judges each answer."""

    name = "lm_eval"
    options_type = LmEvalOptions
    chance_of_rows = True

    _built: LmEvalTasks | None = None
    _asked: Sequence[LmEvalQuestion] = ()

    @property
    def built(self) -> LmEvalTasks:
        """lm-eval's task objects over our rows."""
        if self._built is None:
            self._built = build(self.options.task, self.context.config, self.options.num_fewshot)
        return self._built

    @classmethod
    def check(cls, task: Task, options: LmEvalOptions) -> None:
        for problem in aggregates.mistakes(task.metrics):
            raise UsageError(f"{task.path or task.name}: {problem}", slug="task-option")

    @classmethod
    def reads_rows(cls, task: Task) -> bool:
        return True

    @property
    def theirs(self) -> Task:
        """The task with the metrics that lm-eval makes: all but those of our own aggregates, or of a kind's own."""
        return aggregates.theirs(self.task)

    def ready(self) -> None:
        """Have the data and lm-eval's task before a model is opened."""
        check_fewshot(self.built)
        if self.built.settings.unsafe_code:
            programs.check_task(self.task, self.built)

    def needs(self) -> frozenset[str]:
        kind = str(self.built.settings.output_type)
        if kind == "multiple_choice":
            configs = [upstream.config for upstream in self.built.tasks.values()]
            asked = asking.needs_of_choices(configs, [spec.source for spec in self.theirs.metrics])
        else:
            asked = asking.needs(self.built.name, kind)
        return frozenset({asked, CHAT} if self.templated else {asked})

    @property
    def templated(self) -> bool:
        """Whether its prompts go through a chat template."""
        return self.options.chat_template and not self.plain_instead

    @property
    def plain_instead(self) -> bool:
        return self.options.chat_template and self.context.config.generation.plain

    @property
    def takes_fewshot(self) -> bool:
        rolling = self.built.settings.output_type == "loglikelihood_rolling"
        return not rolling and len(self.built.fixed_fewshot) < len(self.built.tasks)

    def total(self) -> int | None:
        return sum(len(upstream.eval_docs) for upstream in self.built.tasks.values())

    def samples(self) -> Sequence[LmEvalQuestion]:
        docs = {name: upstream.eval_docs for name, upstream in self.built.tasks.items()}
        sizes = {name: len(rows) for name, rows in docs.items()}
        chosen = choose(sizes, self.context.limit(self.task), self.context.config.seed)
        if not any(chosen.values()):
            raise BackendError(f"{self.built.name}: there is no question to ask in its data", slug="data-empty")
        _ = self.backend  # what it cannot do is told before thousands of prompts are made
        self._asked = [
            LmEvalQuestion(subtask=name, row=row, doc=docs[name][row], instances=instances)
            for name, rows in chosen.items()
            for row, instances in self._instances(name, rows).items()
        ]
        return self._asked

    def describe(self, sample: LmEvalQuestion) -> Sample:
        grouped = self.built.group is not None
        named = sample.doc.get("id") if isinstance(sample.doc, dict) else None
        identity = str(sample.row if named is None else named)  # a column of ids may be empty in some rows
        if self.built.settings.unsafe_code:
            identity = str(sample.doc.get("task_id", sample.row))
        return Sample(
            id=f"{sample.subtask}/{identity}" if grouped else identity,
            input=str(sample.instances[0].args[0]),
            target=str(self.built.tasks[sample.subtask].doc_to_target(sample.doc)),
            metadata={"index": sample.row, **({"subtask": sample.subtask} if grouped else {}), **self._part(sample)},
            cluster=None if self.options.cluster is None else "/".join(map(str, self._cluster(sample))),
        )

    def converse(self, sample: LmEvalQuestion) -> Talk:
        instances = asking.unanswered(sample.instances)  # a question that is asked again has other answers
        asks = asking.asks_of(instances, self.context.config.seed)
        upstream = self.built.tasks[sample.subtask]
        if self.built.settings.unsafe_code:
            (request,) = asks.asks
            assert isinstance(request, Request)
            programs.check_request(request, instances[0])
            answer = yield request
            program = programs.program_of(upstream, instances, answer.text, self.task.metrics[0])
            tests = str(upstream.doc_to_target(sample.doc))
            return (yield from try_program(program, tests, *programs.problem_of(sample.doc)))
        answers = yield asks
        if asking.unknown(answers):
            told = "no choice is among the likeliest tokens, and of others the server tells nothing"
            return Verdict(value=None, answer="", explanation=told)
        asking.take(instances, answers)
        where = f"{self.built.sources[sample.subtask].get('dataset')}, row {sample.row}"
        values, odd = judging.judge(upstream, sample.doc, instances, self.theirs.metrics, where)
        primary = self.theirs.spec(self.theirs.primary)
        answer, explanation, chosen = judging.explain(upstream, sample.doc, instances, primary)
        value = values[primary.name]
        told = ", ".join(f"{name} {figures(number, 6)}" for name, number in values.items() if isinstance(number, float))
        return Verdict(
            value=value if isinstance(value, float) and 0 <= value <= 1 else None,
            answer=answer,
            explanation="; ".join(filter(None, (odd, explanation, told))),
            values=values,
            confidence=aggregates.confidence(instances),
            chosen=chosen,
        )

    def right(self, sample: LmEvalQuestion, ask: ModelAsk) -> tuple[Any, ...]:
        return gold.right(self.built.tasks[sample.subtask], sample.doc, sample.instances)

    def provenance(self, samples: Sequence[LmEvalQuestion]) -> Mapping[str, Any]:
        built, templated = self.built, self.templated
        return {
            "lm_eval_task": built.name,
            "lm_eval_task_version": built.version,
            "num_fewshot": self.num_fewshot,
            **({"num_fewshot_fixed": list(built.fixed_fewshot)} if built.fixed_fewshot else {}),
            "chat_template": "model" if templated else "none",
            "chat_template_sha256": self.backend.describe().chat_template_sha256 if templated else None,
            "metric_filters": {spec.name: spec.filter for spec in self.theirs.metrics},
            "docs": sum(len(upstream.eval_docs) for upstream in built.tasks.values()),
            **_data(built),
        }

    @property
    def num_fewshot(self) -> int:
        return int(self.built.settings.num_fewshot or 0)

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        if self.built.settings.unsafe_code:
            return replace(super().conclude(judged), provenance={"endings": endings(judged)})
        questions = self.questions(judged)
        clustered = self.options.cluster is not None or len(judged) > len(self._asked)
        metrics = judging.metrics(self.built, self.theirs.metrics, questions, clustered)
        metrics += aggregates.metrics(self.task.metrics, judged)
        if (key := self.task.breakdown) is not None:
            metrics += judging.breakdown(self.built, self.theirs.spec(self.theirs.primary), key, questions, clustered)
        return self._told(indifference.with_chance(metrics, self.theirs.metrics, self.built, self._asked, judged))

    def questions(self, judged: Sequence[JudgedSample]) -> list[judging.JudgedQuestion]:
        """What lm-eval's metrics are made of. Raises BackendError if nothing could be scored."""
        # Each question comes as often as it was asked, one time after the other.
        times = len(judged) // len(self._asked)
        asked = [one for one in self._asked for _ in range(times)]
        questions = [
            judging.JudgedQuestion(
                task=one.subtask,
                cluster=self._cluster(one),
                verdicts=verdict.verdict.values,
                ending=verdict.ending,
                part=self._part(one).get(self.task.breakdown or ""),
            )
            for one, verdict in zip(asked, judged, strict=True)
            if verdict.scored
        ]
        if not questions:
            raise BackendError(
                f"{self.task.suite}/{self.task.name}: no sample could be scored; see the sample file for why",
                slug="nothing-scored",
            )
        return questions

    def _told(self, metrics: Sequence[Metric]) -> Conclusion:
        """Metrics and primary metric. What misses a part is not the group: its numbers have names of their own, none is
        the primary one, and the reason says what is missing."""
        built = self.built
        if not built.missing:
            return Conclusion(metrics=tuple(metrics), primary=self.task.primary)
        n, all_ = len(built.tasks), len(built.tasks) + len(built.missing)
        names = {spec.name for spec in self.task.metrics}
        partial = f"[{n} of {all_} subtasks]"
        first, *others = built.missing.values()
        lacking = ", ".join(sorted(built.missing)[:5])
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        return Conclusion(
            metrics=tuple(replace(one, name=f"{one.name}{partial}") if one.name in names else one for one in metrics),
            reason=f"partial: no data for {len(built.missing)} of the {all_} subtasks of {built.name} "
            f"({lacking}{more}), so this is no score of {built.name} and counts nowhere. {first.args[0]}  "
            "[data-partial]",
        )

    def _instances(self, name: str, rows: Sequence[int]) -> dict[int, Sequence[Any]]:
        """lm-eval's requests about these rows of a task, by row."""
        if not rows:
            return {}
        upstream, templated = self.built.tasks[name], self.templated
        multiturn = self.options.fewshot_as_multiturn
        try:
            upstream.build_all_requests(
                # A set: lm-eval looks every row up in it.
                samples=None if len(rows) == len(upstream.eval_docs) else set(rows),
                rank=0,
                world_size=1,
                apply_chat_template=templated,
                fewshot_as_multiturn=templated if multiturn is None else multiturn,
                chat_template=asking.as_conversation if templated else None,
            )
        except SlmError:
            raise
        except Exception as error:  # templates and functions of a task run on every row, and raise what they like
            raise BackendError(
                f"lm-eval's {name} cannot ask all of its questions from the {self.built.sources[name]['data_from']} "
                f"({type(error).__name__}: {error}); a row may be broken: get the data again",
                slug="lm-eval-failed",
            ) from error
        by_place: dict[int, list[Any]] = {}
        for instance in upstream.instances:
            by_place.setdefault(instance.doc_id, []).append(instance)
        # lm-eval numbers the questions of a sample 0, 1, 2, ...; what we record is their row in the data set.
        return {rows[place]: instances for place, instances in sorted(by_place.items())}

    def _cluster(self, sample: LmEvalQuestion) -> tuple[str, object]:
        column = self.options.cluster
        if column is None:
            return sample.subtask, sample.row
        return sample.subtask, self._value(sample, column, "cluster")

    def _part(self, sample: LmEvalQuestion) -> dict[str, str]:
        """The part of the breakdown that a question is in."""
        column = self.task.breakdown
        return {} if column is None else {column: self._value(sample, column, "breakdown")}

    def _value(self, sample: LmEvalQuestion, column: str, key: str) -> str:
        """What a question has in a column of the data that a ``key`` of the task names."""
        if column not in sample.doc:
            raise UsageError(
                f"{self.task.path or self.task.name}: {key}: the data have no column {column!r}. "
                f"{did_you_mean(column, sample.doc)}",
                slug="lm-eval-option",
            )
        return str(sample.doc[column])


def choose(sizes: Mapping[str, int], limit: int | None, seed: int) -> dict[str, list[int]]:
    """Which rows of which task are asked: ``limit`` in all, from every task in proportion to its size, in their order.
    A seed chooses the same rows of a task by itself as of a group of which it is the only part."""
    shares = sizes if limit is None else apportion(sizes, limit)
    chosen = random.Random(seed)
    rows = {name: sorted(chosen.sample(range(sizes[name]), shares[name])) for name in sorted(sizes)}
    return {name: rows[name] for name in sizes}


def _data(built: LmEvalTasks) -> dict[str, Any]:
    """Where the rows are from: told once for one task, for a group its parts in one hash over theirs."""
    sources = [built.sources[name] for name in built.tasks]
    if built.group is None:
        return dict(sources[0])
    hashes = [str(source.get("data_sha256", "")) for source in sources]
    return {
        "dataset": ", ".join(sorted({str(source.get("dataset")) for source in sources})),
        "data_from": ", ".join(sorted({str(source["data_from"]) for source in sources})),
        "data_sha256": sha256(*hashes) if all(hashes) else None,
        "subtasks": len(built.tasks),
        "subtasks_missing": sorted(built.missing),
    }
