"""lm-eval's tasks, asked in process: its prompts, few-shot examples, filters and metrics, our engine.

The task is built from its own YAML file, without lm-eval's index of all tasks (which takes seconds). The data come
from a mirror (``--slm-data``), laid out as the Hub is, or from the Hub and its local cache.

Options of such a task: ``task`` (lm-eval's name) and ``num_fewshot`` (default: the task's own).
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import random
import re
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.backends.protocol import Backend, LogLikelihood, silent
from pytest_slm.core.types import Metric, MetricSpec, Result, Task
from pytest_slm.errors import BackendError, NotAvailableError, SlmError, UsageError
from pytest_slm.runners import mirror, programs
from pytest_slm.runners.context import RunContext, SampleRecord, sha256
from pytest_slm.runners.metrics import mean_metric

FEWSHOT_SEED = 1234
"""lm-eval's own default, so that its few-shot examples are ours."""

OPTIONS = frozenset({"task", "num_fewshot"})


def run(task: Task, variant: str, context: RunContext) -> Result:
    """Build the requests of a seeded sample of the questions, have them scored, and let lm-eval judge each question."""
    started = time.perf_counter()
    backend = context.backend(task)
    upstream, data = load(task, context)
    docs = upstream.eval_docs
    chosen = _choose(len(docs), context.limit(task), context.config.seed)
    # Naming all of the samples would cost lm-eval a search through the list for every one of them.
    upstream.build_all_requests(samples=chosen if len(chosen) < len(docs) else None, rank=0, world_size=1)
    by_doc: dict[int, list[Any]] = {}
    for instance in upstream.instances:
        # lm-eval numbers the questions of a sample 0, 1, 2, ...; what we record is their place in the data set.
        by_doc.setdefault(chosen[instance.doc_id], []).append(instance)
    provenance = {
        "source": task.source,
        "license": task.license,
        "lm_eval_task": upstream.config.task,
        "lm_eval_task_version": str((upstream.config.metadata or {}).get("version")),
        "num_fewshot": upstream.config.num_fewshot or 0,
        "chat_template": "none",
        "docs": len(docs),
        **data,
    }
    if upstream.config.unsafe_code:
        scored = dict(programs.run(task, context, upstream, chosen, by_doc))
        provenance |= {name: scored.pop(name) for name in ("endings", "answers_cut")}
        return context.result(task, variant, started, provenance=provenance, **scored)
    judged: dict[int, dict[str, float]] = {}

    def answered(doc: int) -> None:
        for ensemble in upstream._filters:  # apply_filters() would take all questions, also those not yet asked
            ensemble.apply(by_doc[doc])
        judged[doc] = _judge(upstream, docs[doc], by_doc[doc], task.metrics)
        context.record(_record(task, doc, docs[doc], by_doc[doc], judged[doc], upstream))
        context.progress(len(judged), len(chosen))

    _ask(backend, by_doc, answered)
    return context.result(
        task,
        variant,
        started,
        n_scored=len(chosen),
        metrics=tuple(_metric(spec, [judged[doc][spec.name] for doc in chosen], upstream) for spec in task.metrics),
        provenance=provenance,
    )


def load(task: Task, context: RunContext) -> tuple[Any, Mapping[str, Any]]:
    """lm-eval's task object over the data, and where those are from. NotAvailableError if they cannot be had."""
    _check_options(task)
    try:
        import datasets
        from lm_eval.api.task import ConfigurableTask
        from lm_eval.tasks._yaml_loader import load_yaml
    except ImportError as error:
        raise NotAvailableError(
            f"{task.suite}/{task.name} needs lm-eval ({error}): pip install 'pytest-slm[lm-eval]'", slug="missing-extra"
        ) from None
    definition = _definition(str(task.options["task"]))
    unsafe = bool(load_yaml(definition, resolve_func=False).get("unsafe_code"))
    with programs.without_code_eval(unsafe):
        settings = dict(load_yaml(definition))
    for structural in ("tag", "group", "task_list"):
        settings.pop(structural, None)
    if "num_fewshot" in task.options:
        settings["num_fewshot"] = task.options["num_fewshot"]
    name = str(settings.get("dataset_path"))
    found = mirror.locate(context.config.data, name, settings.get("dataset_name"))
    if found is not None:
        settings["dataset_path"] = str(found.folder)
        settings["dataset_kwargs"] = {**(settings.get("dataset_kwargs") or {}), "cache_dir": str(found.cache)}
    datasets.disable_progress_bars()
    offline = found is None and (context.config.offline or not hub_answers())
    try:
        with _hub_offline(offline):
            upstream = ConfigurableTask(config=settings)
    except SlmError:
        raise
    except Exception as error:  # datasets raises a dozen kinds for "not there"; all mean that it could not be read
        raise _unavailable(name, found, offline, error) from error
    if settings.get("num_fewshot"):
        upstream.set_fewshot_seed(FEWSHOT_SEED)
    source = {"dataset": name, "dataset_config": settings.get("dataset_name"), "data_from": "hub"}
    if found is not None:
        source |= {"data_from": "mirror", "data_sha256": found.sha256}
    return upstream, source


def _check_options(task: Task) -> None:
    foreign = sorted(set(task.options) - OPTIONS)
    shots = task.options.get("num_fewshot", 0)
    if foreign:
        what = f"unknown option {foreign[0]!r}"
    elif "task" not in task.options:
        what = "the option `task` is missing"
    elif not isinstance(shots, int) or isinstance(shots, bool) or shots < 0:
        what = f"num_fewshot: expected a whole number from 0, not {shots!r:.80}"
    else:
        return
    raise UsageError(f"{task.path}: {what}; options are {', '.join(sorted(OPTIONS))}", slug="lm-eval-option")


def hub_answers(timeout: float = 3.0) -> bool:
    """Whether the Hub can be connected to at all. Its own client would try for half a minute before it says no."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True  # then the proxy knows, and the client knows how to ask it
    endpoint = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = endpoint.port or (443 if endpoint.scheme == "https" else 80)
    try:
        socket.create_connection((endpoint.hostname or "", port), timeout).close()
    except OSError:
        return False
    return True


def _definition(name: str) -> Path:
    """The file that declares the task of this name. Its own name says little: ten are called mmlu_anatomy.yaml, and
    social_iqa stands in siqa.yaml, while two files called social_iqa.yaml declare other tasks."""
    import lm_eval

    root = Path(lm_eval.__file__).parent / "tasks"
    declares = re.compile(rf"""^["']?task["']?: *(["']?){re.escape(name)}\1 *(#.*)?$""", re.MULTILINE)
    for path in sorted(root.rglob("*.yaml"), key=lambda path: (path.stem != name, path)):
        if name and declares.search(path.read_text("utf-8")):
            return path
    raise UsageError(f"lm-eval has no task {name!r} (no file of its tasks says `task: {name}`)", slug="lm-eval-task")


def _choose(n: int, limit: int | None, seed: int) -> list[int]:
    if limit is None or limit >= n:
        return list(range(n))
    return sorted(random.Random(seed).sample(range(n), limit))


def _ask(backend: Backend, by_doc: Mapping[int, Sequence[Any]], answered: Callable[[int], None]) -> None:
    """Have all requests scored in one call, so that the engine can share what they have in common; ``answered`` is
    called with each question as soon as its last answer is there."""
    asked = [(doc, instance) for doc, instances in by_doc.items() for instance in instances]
    kinds = {instance.request_type for _, instance in asked}
    if kinds != {"loglikelihood"}:
        raise BackendError(f"requests of kind {sorted(kinds)} are not scored by this runner", slug="lm-eval-kind")
    open_ = {doc: len(instances) for doc, instances in by_doc.items()}
    seen: set[int] = set()

    def finished(number: int, answer: LogLikelihood) -> None:
        doc, instance = asked[number]
        seen.add(number)
        instance.resps.append((answer.logprob, answer.is_greedy))
        open_[doc] -= 1
        if not open_[doc]:
            answered(doc)

    answers = backend.loglikelihood([instance.args for _, instance in asked], silent, finished)
    for number in set(range(len(asked))) - seen:
        finished(number, answers[number])


def _judge(upstream: Any, doc: Any, instances: Sequence[Any], specs: Sequence[MetricSpec]) -> dict[str, float]:
    judged: dict[str, float] = {}
    for spec in specs:
        filtered, wanted = instances[0].filtered_resps, spec.key or spec.name
        if spec.filter not in filtered:
            raise _unknown(upstream, "filter", spec.filter, filtered)
        values = upstream.process_results(doc, [instance.filtered_resps[spec.filter] for instance in instances])
        if wanted not in values:
            raise _unknown(upstream, "metric", wanted, values)
        try:
            judged[spec.name] = float(values[wanted])
        except (TypeError, ValueError):  # pairs for corpus metrics such as f1
            judged[spec.name] = math.nan
        if not 0 <= judged[spec.name] <= 1:
            raise UsageError(
                f"the metric {wanted!r} of lm-eval's {upstream.config.task} is no share: one question has "
                f"{values[wanted]!r:.80}",
                slug="unknown-metric",
            )
    return judged


def _unknown(upstream: Any, what: str, name: str, known: Iterable[str]) -> UsageError:
    return UsageError(
        f"lm-eval's {upstream.config.task} has no {what} {name!r}, but {', '.join(sorted(known))}",
        slug="unknown-metric",
    )


def _metric(spec: MetricSpec, values: Sequence[float], upstream: Any) -> Metric:
    better = bool(upstream.higher_is_better().get(spec.key or spec.name, True))
    metric = mean_metric(spec.name, values, complement=spec.complement)
    return dataclasses.replace(metric, higher_is_better=better != spec.complement)


def _record(
    task: Task, doc: int, content: Any, instances: Sequence[Any], values: Mapping[str, float], upstream: Any
) -> SampleRecord:
    choices = [
        {"choice": instance.args[1].strip(), "logprob": instance.resps[0][0], "is_greedy": instance.resps[0][1]}
        for instance in instances
    ]
    target = str(upstream.doc_to_target(content))
    best = max(range(len(choices)), key=lambda index: float(choices[index]["logprob"]))
    return SampleRecord(
        task=f"{task.suite}/{task.name}",
        doc_id=str(content.get("id", doc) if isinstance(content, dict) else doc),
        prompt_sha256=sha256(*(part for instance in instances for part in instance.args)),
        target_sha256=sha256(target),
        response=choices,
        score=values[task.primary],
        answer=str(choices[best]["choice"]),
        explanation=f"likeliest choice {best}, right choice {target}; "
        + ", ".join(f"{name} {value:g}" for name, value in values.items()),
        metadata={"index": doc},
    )


@contextlib.contextmanager
def _hub_offline(offline: bool) -> Iterator[None]:
    import datasets.config

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = offline or before
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _unavailable(name: str, found: mirror.Found | None, offline: bool, error: Exception) -> SlmError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    if found is not None:
        return BackendError(
            f"{found.folder}: the mirror's copy of {name} cannot be read ({type(error).__name__}: {reason})",
            slug="data-broken",
        )
    where = "the Hub does not answer or is not to be asked, and the local cache does not have it" if offline else reason
    return NotAvailableError(
        f"data set {name} cannot be reached ({where}). Name a folder that mirrors the Hub's layout: --slm-data=DIR, "
        f"with the data in DIR/{name}",
        slug="data-unreachable",
    )
