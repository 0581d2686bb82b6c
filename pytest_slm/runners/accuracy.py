"""lm-eval's tasks and groups, asked in process: its prompts, few-shot examples, filters and metrics, our engine.

A task is built from its own YAML file, without lm-eval's index of all tasks (which takes seconds). The data come from a
mirror (``--slm-data``), laid out as the Hub is, or from the Hub and its local cache.

Options of such a task: ``task`` (lm-eval's name of a task or a group); ``num_fewshot`` (default: the task's own);
``chat_template`` (default false: the prompt is plain text) with ``fewshot_as_multiturn`` (default true: examples are
turns of their own); ``cluster``, a column of the data whose value several questions share, such as a passage.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.backends.protocol import CHAT, Backend
from pytest_slm.core.types import Metric, Result, Task
from pytest_slm.errors import BackendError, NotAvailableError, SlmError, UsageError, did_you_mean
from pytest_slm.runners.coding import upstream as programs
from pytest_slm.runners.context import RunContext, SampleRecord, sha256
from pytest_slm.runners.sampling import apportion
from pytest_slm.runners.upstream import asking, judging
from pytest_slm.runners.upstream.building import Built, build
from pytest_slm.runners.upstream.judging import Judged

OPTIONS = frozenset({"task", "num_fewshot", "chat_template", "fewshot_as_multiturn", "cluster"})

Key = tuple[str, int]
"""A question: lm-eval's task, and the row of its split."""


def run(task: Task, variant: str, context: RunContext) -> Result:
    """Build the requests of a seeded sample of the questions, have them answered, and let lm-eval judge each one."""
    started = time.perf_counter()
    check_options(task)
    backend = context.backend(task)
    built = build(str(task.options["task"]), context.config, task.options.get("num_fewshot"))
    asking.check_kind(built.name, _kind(built), backend)
    docs = {name: upstream.eval_docs for name, upstream in built.tasks.items()}
    chosen = choose({name: len(rows) for name, rows in docs.items()}, context.limit(task), context.config.seed)
    if not chosen:
        raise BackendError(f"{built.name}: there is no question to ask in its data", slug="data-empty")
    questions = _questions(task, built, chosen, backend)
    context.asks(len(questions))
    provenance = {
        "source": task.source,
        "license": task.license,
        **_policy(task, built, backend),
        "docs": sum(len(rows) for rows in docs.values()),
        **_data(built),
    }
    if built.settings.unsafe_code:
        return context.result(task, variant, started, **_programs(task, built, questions, context, provenance))
    judged: dict[Key, Judged] = {}

    def answered(key: Key) -> None:
        name, row = key
        doc = docs[name][row]
        where = f"{built.sources[name].get('dataset')}, row {row}"
        verdicts = judging.judge(built.tasks[name], doc, questions[key], task.metrics, where)
        judged[key] = Judged(task=name, cluster=_cluster(task, name, row, doc), verdicts=verdicts)
        context.record(_record(task, built, key, doc, questions[key], verdicts))
        context.progress(len(judged), len(questions))

    asking.ask(backend, questions, answered, context.config.seed)
    in_order = [judged[key] for key in questions]
    metrics = judging.metrics(built, task.metrics, in_order, "cluster" in task.options)
    clusters = len({one.cluster for one in in_order}) if "cluster" in task.options else None
    return context.result(
        task,
        variant,
        started,
        n_scored=len(judged),
        clusters=clusters,
        provenance=provenance,
        **_told(task, built, metrics),
    )


def _programs(
    task: Task,
    built: Built,
    questions: Mapping[Key, Sequence[Any]],
    context: RunContext,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """What a result says of a task whose answers are programs. Raises UsageError for a group of such tasks."""
    if built.group is not None:
        raise UsageError(
            f"{task.path or task.name}: {built.name} is a group of programs; name one of its tasks", slug="lm-eval-kind"
        )
    ((_, upstream),) = built.tasks.items()
    asked = {row: instances for (_, row), instances in questions.items()}
    scored = dict(programs.run(task, context, upstream, list(asked), asked))
    scored.pop("passed")
    endings = scored.pop("endings")
    return {**scored, "provenance": {**provenance, "endings": endings}}


def check_options(task: Task) -> None:
    """Raise UsageError for an option that this kind of task does not have, or for a value that it cannot have."""
    options = task.options
    foreign = sorted(set(options) - OPTIONS)
    shots = options.get("num_fewshot", 0)
    what = ""
    if foreign:
        what = f"unknown option {foreign[0]!r}; options are {', '.join(sorted(OPTIONS))}"
    elif "task" not in options:
        what = "the option `task` is missing: lm-eval's name of a task or group"
    elif not isinstance(shots, int) or isinstance(shots, bool) or shots < 0:
        what = f"num_fewshot: expected a whole number from 0, not {shots!r:.80}"
    elif flag := next(
        (name for name in ("chat_template", "fewshot_as_multiturn") if not isinstance(options.get(name, True), bool)),
        "",
    ):
        what = f"{flag}: expected true or false, not {options[flag]!r:.80}"
    elif not isinstance(options.get("cluster", ""), str):
        what = f"cluster: expected the name of a column, not {options['cluster']!r:.80}"
    if what:
        raise UsageError(f"{task.path or task.name}: {what}", slug="lm-eval-option")


def choose(sizes: Mapping[str, int], limit: int | None, seed: int) -> dict[Key, None]:
    """Which rows of which task are asked: ``limit`` in all, from every task in proportion to its size, in their order.
    A seed chooses the same rows of a task by itself as of a group of which it is the only part."""
    shares = sizes if limit is None else apportion(sizes, limit)
    chosen = random.Random(seed)
    rows = {name: chosen.sample(range(sizes[name]), shares[name]) for name in sorted(sizes)}
    return {(name, row): None for name in sizes for row in sorted(rows[name])}


def _questions(task: Task, built: Built, chosen: Mapping[Key, None], backend: Backend) -> dict[Key, Sequence[Any]]:
    """lm-eval's requests of every chosen question."""
    templated = bool(task.options.get("chat_template"))
    if templated and CHAT not in backend.capabilities:
        raise NotAvailableError(
            f"{task.suite}/{task.name} asks through the chat template, which this model does not have; "
            "take its instruct version",
            slug="no-chat-template",
        )
    questions: dict[Key, Sequence[Any]] = dict.fromkeys(chosen, ())
    for name, upstream in built.tasks.items():
        rows = [row for task_name, row in chosen if task_name == name]
        if not rows:
            continue
        whole = len(rows) == len(upstream.eval_docs)
        try:
            upstream.build_all_requests(
                # A set: lm-eval looks every row up in it.
                samples=None if whole else set(rows),
                rank=0,
                world_size=1,
                apply_chat_template=templated,
                fewshot_as_multiturn=bool(task.options.get("fewshot_as_multiturn", templated)),
                chat_template=asking.as_conversation if templated else None,
            )
        except SlmError:
            raise
        except Exception as error:  # templates and functions of a task run on every row, and raise what they like
            raise BackendError(
                f"lm-eval's {name} cannot ask all of its questions from the {built.sources[name]['data_from']} "
                f"({type(error).__name__}: {error}); a row may be broken: get the data again",
                slug="lm-eval-failed",
            ) from error
        by_place: dict[int, list[Any]] = {}
        for instance in upstream.instances:
            by_place.setdefault(instance.doc_id, []).append(instance)
        # lm-eval numbers the questions of a sample 0, 1, 2, ...; what we record is their row in the data set.
        questions.update({(name, rows[place]): instances for place, instances in by_place.items()})
    return questions


def _kind(built: Built) -> str:
    kind = str(built.settings.output_type)
    return "loglikelihood" if kind == "multiple_choice" else kind


def _cluster(task: Task, name: str, row: int, doc: Any) -> object:
    column = task.options.get("cluster")
    if column is None:
        return name, row
    if column not in doc:
        raise UsageError(
            f"{task.path or task.name}: cluster: the data have no column {column!r}. {did_you_mean(column, doc)}",
            slug="lm-eval-option",
        )
    return name, str(doc[column])


def _told(task: Task, built: Built, metrics: Sequence[Metric]) -> dict[str, Any]:
    """Metrics and primary metric. What misses a part is not the group: its numbers have names of their own, none is the
    primary one, and the reason says what is missing."""
    if not built.missing:
        return {"metrics": tuple(metrics)}
    n, all_ = len(built.tasks), len(built.tasks) + len(built.missing)
    names = {spec.name for spec in task.metrics}
    renamed = [
        Metric(**{**_fields(metric), "name": f"{metric.name}[{n} of {all_} subtasks]"})
        if metric.name in names
        else metric
        for metric in metrics
    ]
    lacking = ", ".join(sorted(built.missing)[:5]) + (f" and {len(built.missing) - 5} more" * (len(built.missing) > 5))
    first = next(iter(built.missing.values()))
    return {
        "metrics": tuple(renamed),
        "primary": None,
        "reason": f"partial: no data for {len(built.missing)} of the {all_} subtasks of {built.name} ({lacking}), so "
        f"this is no score of {built.name} and counts nowhere. {first.args[0]}  [data-partial]",
    }


def _fields(metric: Metric) -> dict[str, Any]:
    return {name: getattr(metric, name) for name in Metric.__dataclass_fields__}


def _policy(task: Task, built: Built, backend: Backend) -> dict[str, Any]:
    """How it was asked: all that a prompt depends on beside the row."""
    templated = bool(task.options.get("chat_template"))
    return {
        "lm_eval_task": built.name,
        "lm_eval_task_version": built.version,
        "num_fewshot": built.settings.num_fewshot or 0,
        "chat_template": "model" if templated else "none",
        "chat_template_sha256": backend.describe().chat_template_sha256 if templated else None,
        "metric_filters": {spec.name: spec.filter for spec in task.metrics},
    }


def _data(built: Built) -> dict[str, Any]:
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


def _record(
    task: Task, built: Built, key: Key, doc: Any, instances: Sequence[Any], verdicts: Mapping[str, Any]
) -> SampleRecord:
    name, row = key
    upstream = built.tasks[name]
    target = str(upstream.doc_to_target(doc))
    response, answer, explanation = _answer(instances, target)
    primary = verdicts[task.primary]
    identity = doc.get("id", row) if isinstance(doc, dict) else row
    return SampleRecord(
        task=f"{task.suite}/{task.name}",
        doc_id=str(identity) if built.group is None else f"{name}/{identity}",
        prompt_sha256=sha256(*(str(part) for instance in instances for part in instance.args)),
        target_sha256=sha256(target),
        response=response,
        score=primary if isinstance(primary, float) and 0 <= primary <= 1 else None,
        answer=answer,
        explanation=f"{explanation}; "
        + ", ".join(f"{metric} {value:g}" for metric, value in verdicts.items() if isinstance(value, float)),
        metadata={"index": row, **({"subtask": name} if built.group is not None else {})},
        request={"kind": instances[0].request_type, "requests": len(instances)},
    )


def _answer(instances: Sequence[Any], target: str) -> tuple[Any, str, str]:
    """What a record shows: the response, the answer in it, and how it compares with the target."""
    kind = instances[0].request_type
    if kind == "generate_until":
        texts = [str(response) for response in instances[0].resps]
        extracted = ", ".join(f"{name} {str(value)[:80]!r}" for name, value in instances[0].filtered_resps.items())
        return (texts[0] if len(texts) == 1 else texts), extracted[:400], f"right answer ends with {target[-80:]!r}"
    if kind == "loglikelihood_rolling":
        return instances[0].resps[0], "", f"log-likelihood {instances[0].resps[0]:g}"
    choices = [
        {"choice": instance.args[1].strip(), "logprob": instance.resps[0][0], "is_greedy": instance.resps[0][1]}
        for instance in instances
    ]
    best = max(range(len(choices)), key=lambda index: float(choices[index]["logprob"]))
    return choices, str(choices[best]["choice"]), f"likeliest choice {best}, right choice {target}"
