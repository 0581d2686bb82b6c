"""Whether our memories and our verdicts on what is said of them are BFCL's own, and what a run of them reads.

python -m benchmarks.bfcl_memory --data DIR

``answers``: every right answer of the data in a dozen ways of saying it, and as many ways that may be wrong, by BFCL's
`agentic_checker` and by ours. ``kv``, ``rec_sum``: ``--memories`` random sequences of calls over three conversations,
by BFCL's classes with snapshots in files and the real rank_bm25, and in our sandbox, with all calls made again; results
and what the memory shows are compared letter by letter. BFCL's package runs in an environment of its own that this
script makes (``--python`` names one that is there). ``--model`` counts the tokens that a run reads if its model answers
every message with one word, and those that the engine computes for them.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import arguments, official
from benchmarks.common.counting import OneWord
from benchmarks.common.outcome import Progress as Steps
from benchmarks.common.outcome import recorded, table
from benchmarks.common.peers import Ours
from pytest_slm.bfcl.memory.checking import names_one
from pytest_slm.bfcl.memory.kind import QUESTIONS, SHOWN, MemoryOptions
from pytest_slm.bfcl.rows import read_rows
from pytest_slm.bfcl.worlds.scenario import gold_call
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Quantization, Submission, Task
from pytest_slm.core.worlds import Execution, World
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import make_kind
from pytest_slm.kinds.context import RunContext
from pytest_slm.kinds.options import read_options
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder
from pytest_slm.run.drive import drive
from pytest_slm.sandbox import Worlds

WORKER = Path(__file__).parent / "common" / "bfcl_memory_worker.py"
SAID = (
    *("{0}", "{{'answer': '{0}', 'context': 'you said so'}}", "It is {0}.", "({0})", "*{0}*", "**{0}**!", "x {0}, y"),
    *("{0}{0}", "a{0}", "{0}b", "{0}1", "not {0}", "_{0}_", '"{0}"', "{0}'s", "\u00e9{0}", "\n{0}\n", "{0}\u0301"),
)
"""Ways to say something, right or wrong."""
WORDS = ("name", "city", "home", "order", "coffee", "id", "of", "the", "birth", "pet", "city2", "a1")


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="data sets, laid out as the Hub is")
    parser.add_argument("--memories", type=arguments.count, default=200, metavar="N", help="sequences of each class")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the sequences")
    parser.add_argument(
        "--python", metavar="PATH", help=f"an interpreter with bfcl-eval and {', '.join(official.WITH)}"
    )
    parser.add_argument("--model", type=Path, metavar="GGUF", help="a model whose tokens are counted")
    options = arguments.checked(arguments.with_out(parser), ["wasmtime", "datasets"])
    folder = suites_folder() / "function_calling"
    task = load_task(folder / "bfcl_memory.yaml", load_suite(folder / "suite.yaml"))
    config = RunConfig(model="none", data=str(options.data), mode="full")
    told, chance = read_options(MemoryOptions, task.options), random.Random(options.seed)
    answers, memories = answer_cases(config), [*memory_cases(options.memories, chance)]
    progress = Steps(2 + 2 * bool(options.model))
    with recorded(options.out, "bfcl_memory", {"seed": options.seed}) as document:
        theirs = official.ask(WORKER, {"answers": answers, "memories": memories}, told.tools.package, options.python)
        progress.step("theirs")
        mine = [names_one(text, right) for text, right in answers]
        document["rounds"].append(compared("answers", mine, theirs["answers"], sum(theirs["answers"])))
        kept = ours(memories, told)
        for name in told.tools.classes:
            places = [place for place, one in enumerate(memories) if one["class"] == name]
            pairs = [[one[place] for place in places] for one in (kept, theirs["memories"])]
            calls = sum(len(one["results"]) for one in pairs[1])
            document["rounds"].append(compared(name, pairs[0], pairs[1], calls))
        progress.step("ours")
        print(table([tuple(map(str, one.values())) for one in document["rounds"]], tuple(document["rounds"][0])))
        for variant in ("kv", "rec_sum") if options.model else ():
            document["rounds"].append({"what": f"tokens, {variant}", **counted(task, variant, options)})
            progress.step(str(document["rounds"][-1]))


def answer_cases(config: RunConfig) -> list[tuple[str, list[str]]]:
    """What may be said, with the answers that are right; every second case says the answers of another question."""
    rights = [row["ground_truth"] for row in read_rows(QUESTIONS, config)[0]]
    cases = []
    for place, right in enumerate(rights):
        other = rights[place - 1]
        for spoken in (right, [one.upper() for one in right], [one.replace(" ", "-") for one in right], other):
            cases += [(form.format(one), right) for one in spoken for form in SAID]
        cases += [("", right), ("I do not know", right), (", ".join(map(str, range(200))), right)]
    return cases


def memory_cases(n: int, chance: random.Random) -> list[dict[str, Any]]:
    """Random calls of each class, in three conversations; some are wrong, and some fill a memory to its end."""
    cases = []
    for name, calls_of in (("MemoryAPI_kv", _kv_call), ("MemoryAPI_rec_sum", _text_call)):
        for _ in range(n):
            lengths = [chance.randint(1, 40) for _ in range(3)]
            cases.append({"class": name, "conversations": [[calls_of(chance) for _ in range(k)] for k in lengths]})
    return cases


def _kv_call(chance: random.Random) -> str:
    key = "_".join(chance.choices(WORDS, k=chance.randint(1, 4)))
    value = chance.choice(("x", "Ada's", 'say "a"', "ä\n", "5", "v" * 299, "w" * 301, "z" * 2001))
    store = chance.choice(("core", "archival", "archival"))
    query = " ".join(chance.choices((*WORDS, "City", "of_birth", "zzz"), k=chance.randint(0, 4)))
    return f"{store}_memory_" + chance.choice(
        (
            *(f"add(key={key!r}, value={value!r})",) * 8,
            *(f"key_search(query={query!r})", f"key_search(query={query!r}, k={chance.randint(-1, 9)})") * 2,
            *(f"replace(key={key!r}, value={value!r})", f"remove(key={key!r})", f"retrieve(key={key!r})"),
            *(
                "list_keys()",
                "retrieve_all()",
                "add(key='Not Snake', value='x')",
                "add(key='a')",
                "add(key=5, value=5)",
            ),
            *("clear()",) * (chance.random() < 0.1),
        )
    )


def _text_call(chance: random.Random) -> str:
    text = chance.choice(("Ada. ", "lives in Bath; ", "ä'\"\n", "x" * 3000, "y" * 10001, ""))
    old = chance.choice(("Ada", "Bath", "x" * 10, "zzz"))
    return "memory_" + chance.choice(
        (
            *(f"append(text={text!r})",) * 4,
            *(f"update(text={text!r})", f"replace(old_text={old!r}, new_text={text[:50]!r})", "retrieve()"),
            *("clear()",) * (chance.random() < 0.1),
            "append(5)",
        )
    )


def ours(cases: Sequence[dict[str, Any]], told: MemoryOptions) -> list[dict[str, Any]]:
    """The same of our sandbox: all calls of all conversations until now, in one instance."""
    library = told.tools.library()
    found = []
    with Worlds() as worlds:
        asked = []
        for case in cases:
            world = World(library=library, classes=(case["class"],))
            turns = tuple(tuple(map(gold_call, calls)) for calls in case["conversations"])
            asked.append(
                [
                    worlds.submit(Execution(world=world, turns=turns[:n], new=len(turns[n - 1]), shown=SHOWN))
                    for n in range(1, len(turns) + 1)
                ]
            )
        for futures in asked:
            done = [future.result() for future in futures]
            found.append(
                {
                    "results": [result for one in done for result in one.results],
                    "shown": [one.shown for one in done],
                    **({} if all(one.ending == "done" for one in done) else {"endings": [one.ending for one in done]}),
                }
            )
    return found


def compared(what: str, mine: Sequence[Any], theirs: Sequence[Any], of: int) -> dict[str, Any]:
    """How many cases are the same; ``of`` is what their number says little of: right answers, or calls."""
    same = sum(one == other for one, other in zip(mine, theirs, strict=True))
    return {"what": what, "cases": len(theirs), "right_or_calls": of, "same": same}


def counted(task: Task, variant: str, options: argparse.Namespace) -> dict[str, int]:
    """The tokens of a whole run in which nothing is kept and nothing is said."""
    model = Ours(options.model, 1)
    backend: Any = OneWord(model.backend)
    quantization = Quantization(name=options.model.stem, format="gguf")
    context = RunContext(
        config=RunConfig(model=str(options.model), data=str(options.data), mode="full"),
        submission=Submission(slug="model", name="model", quantizations=(quantization,)),
        quantization=quantization,
        detected=None,
        open=lambda: backend,
        record=lambda _line: None,
        extensions=Extensions(),
    )
    try:
        result = drive(make_kind(task, variant, context))
    finally:
        model.close()
    return {
        "questions": result.n_scored,
        "answers": backend.asked,
        "read": backend.shown,
        "computed": backend.computed,
        "longest": backend.longest,
    }


if __name__ == "__main__":
    main()
