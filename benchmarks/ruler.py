"""RULER: what it takes to make its prompts, whether they have their length, and whether scores are the official ones.

python -m benchmarks.ruler --model MODEL.gguf --data DIR --official RULER_CHECKOUT --reports DIR ...

``--official`` is a checkout of https://github.com/NVIDIA/RULER: the functions of its scripts/eval are run beside our
scorer, on the answers in run folders (``--reports``) and on odd ones, and its templates are compared with ours.
Generation is told in seconds of CPU, of this process and of the one that holds the model.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import arguments
from benchmarks.common.data import weights
from benchmarks.common.outcome import recorded
from pytest_slm.backends.lookup import Backends
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Dataset, EngineSettings, Generation, Message, Request, Sample, Task
from pytest_slm.data import mirror, tables
from pytest_slm.errors import SlmError
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.remembering import remembered
from pytest_slm.generators.ruler import RULER, templates
from pytest_slm.hosts.sources import Hosts
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder
from pytest_slm.scorers.rules.string_match import STRING_MATCH, StringMatchOptions

THEIRS = {
    "niah": templates.NIAH,
    "variable_tracking": templates.VARIABLE_TRACKING,
    "common_words_extraction": templates.COMMON_WORDS,
    "freq_words_extraction": templates.FREQUENT_WORDS,
    "qa": templates.QA,
}
LETTERS = "aB1 \t\n\x00\x1fßİı½中é%.-"


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), questions=100, rounds=1)
    parser.add_argument("--lengths", default="1024,2048,4096,8192,16384", metavar="N,N", help="of prompt and answer")
    parser.add_argument("--tasks", default="", metavar="WORD", help="only tasks with this in their names")
    parser.add_argument("--official", type=Path, metavar="DIR", help="a checkout of NVIDIA/RULER")
    parser.add_argument("--reports", type=Path, nargs="*", default=[], metavar="DIR", help="run folders with answers")
    parser.add_argument("--check", action="store_true", help="count every prompt as a whole, untimed")
    options = arguments.checked(parser)
    with recorded(options.out, "ruler", {"questions": options.questions}) as document:
        if options.official:
            document["scoring"] = compare_scores(options.official, options.reports)
            print(json.dumps(document["scoring"], indent=2), flush=True)
        made = generate(options)
        document["rounds"] = list(made)
    whole = sum(one["cpu_s"] for one in document["rounds"])
    samples = sum(one["samples"] for one in document["rounds"])
    print(f"{samples} samples in {whole:.1f} s of CPU, of both processes")


# -- generation ------------------------------------------------------------------------------------------------------


def generate(options: Any) -> Iterator[dict[str, Any]]:
    """Every task in every length: samples, seconds of CPU of both processes, and how many tokens are left free."""
    config = RunConfig(model="", data=str(options.data), offline=True)

    @functools.cache
    def rows(dataset: Dataset) -> Sequence[Mapping[str, Any]]:
        return tables.read(dataset, config).rows

    with model(options.model, options.threads) as backend:
        host = psutil.Process(backend.host.pid)
        counts = remembered(
            lambda texts: backend.count_tokens([Request(prompt=text, max_tokens=1) for text in texts]), options.model
        )

        def whole(messages: tuple[Message, ...]) -> int:
            return backend.count_tokens([Request(messages=messages, max_tokens=1)])[0]

        whole((Message(role="user", content="Hello"),))  # the process that renders templates has started
        for task in tasks(options.tasks):
            for length in map(int, options.lengths.split(",")):
                context = GeneratorContext(
                    options=task.options,
                    variant={"max_seq_length": length},
                    limit=options.questions,
                    seed=1234,
                    count_tokens=whole,
                    count_texts=counts,
                    folder=Path(task.path).parent,
                    rows=rows,
                    mirror_file=partial(mirror.beside, str(options.data)),
                )
                before = time.process_time(), cpu(host)
                try:
                    samples = list(RULER.make(context))
                except SlmError as error:
                    print(f"{task.name} {length}: {error}", flush=True)
                    continue
                used = time.process_time() - before[0], cpu(host) - before[1]
                free = [
                    length - task.options["max_tokens"] - whole(sample.messages())
                    for sample in (samples if options.check else samples[:3])
                ]
                yield told(task, length, samples, used, free)


def told(
    task: Task, length: int, samples: Sequence[Sample], used: tuple[float, float], free: Sequence[int]
) -> dict[str, Any]:
    """One line of the result, printed."""
    found = {
        "task": task.name,
        "length": length,
        "samples": len(samples),
        "cpu_s": sum(used),
        "cpu_model_s": used[1],
        "free_tokens": [min(free), max(free)],
    }
    print(
        f"{task.name:24} {length:6} n={len(samples)} {sum(used):5.2f} s of CPU ({used[1]:.2f} of the model's process), "
        f"{min(free)} to {max(free)} tokens free",
        flush=True,
    )
    return found


def cpu(process: psutil.Process) -> float:
    """Seconds of CPU of a process and of those that it has started."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


@contextmanager
def model(ref: str, threads: int) -> Iterator[Any]:
    """The model in a process of its own, as in a run."""
    path = ref if ref.endswith(".gguf") else str(weights(ref, "Q4_0"))
    spec = ModelSpec(path=path, format="gguf", settings=EngineSettings(threads=threads))
    hosts = Hosts({"Q": lambda: (Backends().find("gguf"), spec)}, start_timeout=120, request_timeout=600)
    try:
        yield hosts.open("Q")
    finally:
        hosts.close()


def tasks(word: str) -> list[Task]:
    """The tasks of the suite rag that are RULER's."""
    suite = load_suite(suites_folder() / "rag" / "suite.yaml")
    files = sorted(Path(suite.path).parent.glob("ruler_*.yaml"))
    return [load_task(file, suite) for file in files if word in file.stem]


# -- scores ----------------------------------------------------------------------------------------------------------


def compare_scores(official: Path, reports: Sequence[Path]) -> dict[str, Any]:
    """How many answers the official functions and our scorer value alike, and whether the templates are theirs."""
    theirs = module(official / "scripts" / "eval" / "synthetic" / "constants.py")
    words = module(official / "scripts" / "data" / "synthetic" / "constants.py")
    clean = postprocessing(official / "scripts" / "eval" / "evaluate.py")
    seen = [*answers(reports), *odd(600)]
    differing = []
    for answer, targets in seen:
        for of, name in (("all", "string_match_all"), ("part", "string_match_part")):
            wanted = getattr(theirs, name)([clean(answer)], [targets])
            sample = Sample(id="1", input="?", target=targets)
            generation = Generation(text=answer, n_prompt=1, n_output=1, finish="stop")
            got = STRING_MATCH.judge(sample, generation, StringMatchOptions(of=of)).value
            if round(100 * (got or 0.0), 2) != wanted:
                differing.append({"answer": answer[:200], "targets": targets, "official": wanted, "ours": got})
    return {
        "answers": len(seen),
        "of_models": len(seen) - 600,
        "differing": differing,
        "templates_alike": {
            name: (words.TASKS[name]["template"], words.TASKS[name]["answer_prefix"])
            == (template.question, template.answer_prefix)
            for name, template in THEIRS.items()
        },
    }


def module(path: Path) -> Any:
    """A file of the checkout as a module: it holds constants and two functions."""
    spec = importlib.util.spec_from_file_location(f"ruler_{path.parts[-3]}", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: no such file")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def postprocessing(path: Path) -> Any:
    """Their ``postprocess_pred``, without the rest of the script, which needs NeMo."""
    tree = ast.parse(path.read_text("utf-8"))
    wanted = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "postprocess_pred"]
    scope: dict[str, Any] = {"re": re}
    exec(compile(ast.Module(body=list(wanted), type_ignores=[]), str(path), "exec"), scope)
    return lambda text: scope["postprocess_pred"](text, {})


def answers(reports: Sequence[Path]) -> Iterator[tuple[str, list[str]]]:
    """What models have answered in these runs. The lines of samples have only the hash of a target, so the targets are
    words of the answer itself and of the one before."""
    rng, before = random.Random(0), ["nothing"]
    for folder in reports:
        for path in sorted(folder.rglob("samples/*.jsonl")):
            for line in path.read_text("utf-8").splitlines():
                row: Mapping[str, Any] = json.loads(line)
                response = row.get("response")
                if not isinstance(response, str):
                    continue
                words = response.split() or ["nothing"]
                yield response, [*rng.choices(words, k=rng.randint(0, 3)), *rng.choices(before, k=rng.randint(1, 3))]
                before = words


def odd(n: int) -> Iterator[tuple[str, list[str]]]:
    """Answers and targets of letters that are easily treated wrongly, the targets often in the answer."""
    rng = random.Random(0)
    for _ in range(n):
        targets = ["".join(rng.choices(LETTERS, k=rng.randint(1, 4))) or "a" for _ in range(rng.randint(1, 5))]
        targets = [target if target.strip() else "a" for target in targets]
        parts = [*targets[: rng.randint(0, len(targets))], *("".join(rng.choices(LETTERS, k=8)) for _ in range(3))]
        rng.shuffle(parts)
        yield rng.choice(("", " ", "\n")).join(parts), targets


if __name__ == "__main__":
    main()
