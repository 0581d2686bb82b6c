"""Is a task fit to rank models? Who knows every answer gets everything, and who knows none no more than chance says.

The conversations are held with players in place of a model: an oracle, and null models that are empty, babble, or give
the same answer to every question. What judges is what judges a model.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_slm.authoring.players import Babbler, Constant, Empty, Oracle, Player, Right, play
from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.config import RunConfig
from pytest_slm.core.request import Likelihoods, RollingLikelihood, Together, Trial
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec, Quantization, Request, Submission, Task, Verdict
from pytest_slm.errors import BackendError, NotAvailableError, SlmError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import make_kind
from pytest_slm.kinds.checks import Checks, Scorings
from pytest_slm.kinds.context import RunContext
from pytest_slm.kinds.kind import Kind
from pytest_slm.kinds.reading import read_answer
from pytest_slm.sandbox import Sandbox
from pytest_slm.scorers import Scoring

SAMPLES, FURTHER = 200, 50
"""Samples that are tried of a task's first variant, and of each other one: who judges them has judged the first."""
ROOM = 1 << 21
"""Tokens that players read."""
SECONDS = 60.0
"""After so long no further variant of a task is begun."""
LONGEST = 50
"""Questions of one conversation."""
FAR = 2.0
"""So many times as far as its interval reaches is beyond chance: of a hundred tasks that are fit hardly one is."""
_ASKED = (Request, Likelihoods, RollingLikelihood, Together)


@dataclass(kw_only=True)
class Fitness:
    """What was found: ``problems`` make a task unfit, ``notes`` are worth a look, ``untried`` says why nothing was
    tried, ``told`` what the players got, by variant, and ``left`` why other variants were not played."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    untried: str = ""
    told: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> Iterator[str]:
        """What is to be told: of several variants each, and how many of them were played."""
        if self.untried:
            yield f": no players tried: {self.untried}"
            return
        several = len(self.told) + len(self.left) > 1
        for variant, told in self.told.items():
            yield f"[{variant}]: {told}" if several else f": {told}"
        for variant, reason in self.left.items():
            yield f"[{variant}]: not played: {reason}"
        if several:
            yield f": {len(self.told)} of {len(self.told) + len(self.left)} variants played"


def try_players(
    task: Task,
    extensions: Extensions,
    *,
    data: str | None = None,
    run_code: bool = False,
    limit: int = SAMPLES,
    seconds: float = SECONDS,
) -> Fitness:
    """Let all players answer every variant of a task, as far as ``seconds`` go; the first is always played. Rows are
    from the mirror ``data`` or the cache, never from the network."""
    found, begun = Fitness(), time.monotonic()
    for number, variant in enumerate(task.variants or {"": {}}):
        if number and time.monotonic() - begun > seconds:
            found.left[variant] = f"{seconds:g} s were up; --seconds gives the task more"
            continue
        config = RunConfig(model="players", data=data, offline=True, limit=min(limit, FURTHER) if number else limit)
        reason = _play_variant(task, variant, extensions, config, run_code, found)
        if reason:
            found.left[variant] = reason
    if not found.told and not found.problems:
        found.untried = next(iter(found.left.values()), "")
    return found


def _play_variant(
    task: Task, variant: str, extensions: Extensions, config: RunConfig, run_code: bool, found: Fitness
) -> str:
    """Let the players answer one variant, and put down what was found; why it was not played, empty where it was."""
    try:
        with contextlib.ExitStack() as resources:
            stage = _Stage(task, variant, extensions, config, resources)
            return stage.why_not(run_code) or _look(task, variant, stage, found)
    except NotAvailableError as error:
        return str(error)
    except SlmError as error:
        found.problems.append(str(error) if not variant else f"[{variant}] {error}")
        return "see the problem"


def _look(task: Task, variant: str, stage: _Stage, found: Fitness) -> str:
    oracle = stage.held(Oracle())
    if task.primary not in oracle:
        return f"{task.primary} cannot be made of the samples that are there"
    nulls: dict[str, Player] = {"empty": Empty(), "babbling": Babbler(), "constant": Constant.of(stage.known)}
    got = {"oracle": oracle, **{name: stage.held(player) for name, player in nulls.items()}}
    where = f"{task.path or task.name}{f' [{variant}]' if variant else ''}"
    for spec in task.metrics:
        if (short := _short(spec, oracle.get(spec.name))) is not None:
            told = f"{where}: the right answers get {short:.1%} of {spec.name}, not {float(spec.higher_is_better):.0%}"
            (found.problems if spec.name == task.primary else found.notes).append(told + stage.wrong)
        for name in nulls:
            metric, chance = got[name].get(spec.name), _level(spec, oracle.get(spec.name))
            if metric is not None and chance is not None and beyond(metric, chance):
                found.problems.append(
                    f"{where}: {NULLS[name]} gets {metric.value:.1%} of {spec.name} (n = {metric.n}), where chance "
                    f"says {chance:.1%}; correct the chance level, or balance the questions"
                )
    scores = {name: metrics.get(task.primary) for name, metrics in got.items()}
    level = _level(task.spec(task.primary), oracle[task.primary])
    near = [metric for name, metric in scores.items() if name != "oracle" and metric is not None]
    if level is not None and near and all(beyond(metric, level, below=True) for metric in near):
        told = f"{where}: chance is {level:.1%} of {task.primary}, and no model without skill that was tried comes near"
        found.notes.append(told)
    told = ", ".join(f"{name} {'no score' if one is None else f'{one.value:.1%}'}" for name, one in scores.items())
    said = "no chance level" if level is None else f"chance {level:.1%}"
    found.told[variant] = f"{len(stage.samples)} samples, {task.primary}: {told}; {said}"
    return ""


NULLS = {
    "empty": "a model that says nothing",
    "babbling": "a babbling model",
    "constant": "the same answer to every question",
}
"""The models without any skill."""


def _level(spec: MetricSpec, metric: Metric | None) -> float | None:
    """What chance gets: what the task declares, or what its kind has worked out of the rows."""
    return spec.chance if metric is None or spec.chance is not None else metric.chance


def _short(spec: MetricSpec, metric: Metric | None) -> float | None:
    """What the right answers get, where it is not everything; None also for what is no share of right answers."""
    if metric is None or spec.unit != "share" or not spec.is_score:
        return None
    return metric.value if abs(metric.value - float(spec.higher_is_better)) > 1e-9 else None


def beyond(metric: Metric, chance: float, *, below: bool = False) -> bool:
    """Whether a metric is better than chance, or with ``below`` worse, by far more than its interval explains."""
    if metric.interval is None:
        return False
    upwards = metric.higher_is_better != below
    gap = (metric.value - chance) if upwards else (chance - metric.value)
    reach = metric.value - metric.interval[0] if upwards else metric.interval[1] - metric.value
    return gap > 1e-9 and gap > FAR * reach


def _kept_back(scorings: Sequence[Scoring], run_code: bool) -> str:
    """Why scorers judge no player; empty where they do."""
    if any(scoring.timed for scoring in scorings):
        return "times are measured while a model answers"
    if not run_code and any(scoring.rule.own_code(scoring.options) for scoring in scorings):
        return "its scorer is Python of the suite's folder; --run-code runs it"
    return ""


class _Roomy(Fake):
    """Has room for the longest variant of any task: what is tried is the task, and no model's context."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._context = ROOM


class _Stage:
    """The samples of a task, and conversations about them with players."""

    def __init__(
        self, task: Task, variant: str, extensions: Extensions, config: RunConfig, resources: contextlib.ExitStack
    ) -> None:
        quantization = Quantization(name="players", format="fake")
        context = RunContext(
            config=config,
            submission=Submission(slug="players", name="players", quantizations=(quantization,)),
            quantization=quantization,
            detect=lambda: None,
            open=lambda: _Roomy(ModelSpec(path="", format="fake")),
            record=lambda _: None,
            extensions=extensions,
        )
        self._kind: Kind[Any, Any] = make_kind(task, variant, context)
        self._resources = resources
        self._sandbox: Sandbox | None = None
        self.samples: Sequence[Any] = ()
        self.rights: list[list[Right]] = []
        self.known: list[tuple[Any, Right]] = []
        self.wrong = ""

    def why_not(self, run_code: bool) -> str:
        """Why the task is not tried; empty where it is."""
        if not self._kind.recorded:
            return "nothing is asked of a model"
        kind = self._kind
        judges = isinstance(kind, Checks) and kind.options.grader is None
        scorings = Scorings(kind.task, kind.context.extensions)
        reason = _kept_back([scorings.of({})], run_code) if judges else ""
        if not reason:
            kind.ready()
            self.samples = kind.samples()
            reason = _kept_back([scorings.of(sample.scoring) for sample in self.samples], run_code) if judges else ""
        return reason

    def held(self, player: Player) -> dict[str, Metric]:
        """What a player gets, by the names of the metrics; nothing where nothing could be scored."""
        first = not self.rights
        judged = []
        for place, sample in enumerate(self.samples):
            if first:
                self.rights.append([])
            verdict = self._talk(player, sample, self.rights[place], first)
            judged.append(JudgedSample(sample=self._kind.describe(sample), verdict=verdict))
        if first:
            missed = [one for one in judged if one.verdict.value is not None and one.verdict.value < 1]
            if missed:
                one = missed[0]
                self.wrong = f"; sample {one.sample.id!r:.80}: {one.verdict.explanation:.200}"
        try:
            return {metric.name: metric for metric in self._kind.conclude(judged).metrics}
        except BackendError as error:
            if error.slug != "nothing-scored":
                raise
            return {}

    def _talk(self, player: Player, sample: Any, rights: list[Right], first: bool) -> Verdict:
        talk = self._kind.converse(sample)
        known: Iterator[Right] = iter(rights)
        answer: Any = None
        for _ in range(LONGEST):
            try:
                ask = talk.send(answer)
            except StopIteration as end:
                verdict: Verdict = end.value
                return verdict
            if isinstance(ask, Trial):
                answer = self._tried(ask)
                continue
            if not isinstance(ask, _ASKED):
                raise NotAvailableError(f"its conversations ask for a {type(ask).__name__.lower()}", slug="no-gold")
            if first:
                rights.append(self._kind.right(sample, ask))
                self.known.append((ask, rights[-1]))
            right = rights[-1] if first else next(known, None)
            answer = play(player, ask, right)
            if isinstance(ask, Request):
                answer = read_answer(answer, tools=bool(ask.tools))
        raise NotAvailableError(f"its conversations ask more than {LONGEST} questions", slug="no-gold")

    def _tried(self, ask: Trial) -> Any:
        if self._sandbox is None:
            self._sandbox = self._resources.enter_context(Sandbox())
        return self._sandbox.submit(ask.program, ask.tests, ask.given, ask.entry_point).result()
