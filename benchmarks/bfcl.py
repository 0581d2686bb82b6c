"""Whether our verdicts on calls of functions are those of BFCL's own checker.

python -m benchmarks.bfcl --data DIR --runs reports/smollm2-135m-instruct/Q4_0/2026... reports/...

``bfcl-eval`` is installed into an environment of its own (``--environment``, made if it is not there), without the
thirty packages it depends on: its checker imports six of them. Compared are, on the same calls or the same text:

- right calls, in every category;
- right calls with one change (``common/bfcl_cases.py``): both sides, and what the change should make of them;
- what models have written: the samples of runs of ours, named by ``--runs``;
- the system prompts of all 26 formats.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import venv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.bfcl_cases import Case, mutations, texts
from pytest_slm.bfcl.categories import CALLS, SINGLE_TURN
from pytest_slm.bfcl.checker import PUBLISHED, problem
from pytest_slm.bfcl.decoding import decode
from pytest_slm.bfcl.formats import FORMATS, PromptFormat, Texts, hinted, system_prompt
from pytest_slm.bfcl.judging import BFCL, judge
from pytest_slm.bfcl.prompting import PromptForm
from pytest_slm.bfcl.question import BfclQuestion, questions
from pytest_slm.bfcl.rows import read_rows
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Generation
from pytest_slm.files import read_json
from pytest_slm.load.builtin import suites_folder

PACKAGES = (
    "bfcl-eval==2026.3.23",
    *("tree_sitter==0.21.3", "tree-sitter-java==0.21.0", "tree-sitter-javascript==0.21.4"),
    *("tenacity", "filelock", "python-dotenv", "tqdm"),
)
GOAL = 0.995
OFFICIAL = Path(__file__).with_name("common") / "bfcl_official.py"


def main() -> None:
    """Compare what the command line names."""
    parser = argparse.ArgumentParser(description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="data in the Hub's layout")
    parser.add_argument("--runs", nargs="*", default=[], type=Path, metavar="DIR", help="run folders of ours")
    parser.add_argument(
        "--environment",
        type=Path,
        default=Path("build/bfcl-eval"),
        metavar="DIR",
        help="where bfcl-eval is, or will be",
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), metavar="DIR", help="for bfcl.json")
    options = parser.parse_args()
    python = environment(options.environment)
    config = RunConfig(model="fake", data=options.data, offline=True)
    there = {name: questions(name, read_rows(name, config)[0]) for name in SINGLE_TURN}
    found = {
        **compared_cases(python, [case for name in CALLS for one in there[name] for case in mutations(one)]),
        **compared_texts(python, [one for name in CALLS for one in there[name]]),
        **compared_prompts(python, there["live_multiple"][:20]),
    }
    if options.runs:
        by_id = {one.id: one for some in there.values() for one in some}
        found["outputs"] = [compared_run(python, run, by_id) for run in options.runs]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bfcl.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1))


def environment(folder: Path) -> Path:
    """The interpreter of an environment with bfcl-eval, which is made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *PACKAGES], check=True)
    return python


def official(python: Path, asked: Iterable[dict[str, Any]]) -> list[Any]:
    """What BFCL makes of each: true or false, or its own failure as a text."""
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    done = subprocess.run(
        [python, OFFICIAL], input=lines, capture_output=True, text=True, check=True, cwd=python.parents[1]
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def about(question: BfclQuestion) -> dict[str, Any]:
    """What BFCL's checker has to know of a question."""
    return {
        "functions": list(question.functions),
        "answers": list(question.answers),
        "language": question.language,
        "category": question.category,
    }


def compared_cases(python: Path, cases: Sequence[Case]) -> dict[str, Any]:
    """Right and changed calls: as they should be, ours and BFCL's."""
    asked = [{**about(one.question), "calls": [{call.name: call.arguments} for call in one.calls]} for one in cases]
    theirs = official(python, asked)
    right, same, ours_right = Counter[str](), Counter[str](), Counter[str]()
    total = Counter(case.change for case in cases)
    apart = []
    for case, their in zip(cases, theirs, strict=True):
        our = problem(case.question, case.calls, PUBLISHED) is None
        right[case.change] += our is case.right
        same[case.change] += our is their or (isinstance(their, str) and not our)
        ours_right[case.question.category] += our and case.change == "none"
        if our is not case.right or our is not their:
            apart.append([case.question.id, case.change, f"should be {case.right}, ours {our}, BFCL {their}"])
    gold = Counter(case.question.category for case in cases if case.change == "none")
    return {
        "right calls": {name: f"{ours_right[name]} of {n}" for name, n in gold.items()},
        "changes": {
            name: f"{right[name]} as they should be, {same[name]} as BFCL, of {n}" for name, n in total.items()
        },
        "cases": len(cases),
        "as they should be": sum(right.values()) / len(cases),
        "as BFCL": sum(same.values()) / len(cases),
        "apart": apart[:50],
    }


def compared_texts(python: Path, some: Sequence[BfclQuestion]) -> dict[str, Any]:
    """Right calls in all kinds of writing: read by both, and compared by both."""
    form = PromptFormat()
    asked = [(one, text) for one in some for text in texts(one)]
    theirs = official(python, ({**about(one), "text": text} for one, text in asked))
    ours = [
        (calls := decode(text, one.language, form)) is not None and problem(one, calls, PUBLISHED) is None
        for one, text in asked
    ]
    apart = [
        [one.id, text, f"ours {our}, BFCL {their}"]
        for (one, text), our, their in zip(asked, ours, theirs, strict=True)
        if our is not their
    ]
    return {"texts": f"{len(asked) - len(apart)} of {len(asked)} as BFCL", "texts apart": apart[:30]}


def compared_prompts(python: Path, some: Sequence[BfclQuestion]) -> dict[str, Any]:
    """The system prompts of every format."""
    texts = Texts.from_json(
        json.loads((suites_folder() / "function_calling/data/bfcl_prompts.json").read_text("utf-8"))
    )
    asked = [(form, hinted(one.functions, one.category, texts)) for form in FORMATS for one in some]
    theirs = official(
        python, ({"category": "", "prompt": str(form), "functions": functions} for form, functions in asked)
    )
    same = sum(
        system_prompt(form, functions, texts) == their for (form, functions), their in zip(asked, theirs, strict=True)
    )
    return {"prompts": f"{same} of {len(asked)} letter by letter BFCL's"}


def compared_run(python: Path, run: Path, by_id: dict[str, BfclQuestion]) -> dict[str, Any]:
    """What a model has written, by our verdicts and by BFCL's."""
    texts_file = suites_folder() / "function_calling/data/bfcl_prompts.json"
    asking = PromptForm(texts=Texts.from_json(read_json(texts_file)), form=PromptFormat(), max_tokens=1, seed=0)
    lines = [json.loads(line) for path in sorted(run.rglob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    answers = [
        (by_id[line["doc_id"]], line["response"])
        for line in lines
        if line.get("doc_id") in by_id and isinstance(line.get("response"), str)
    ]
    theirs = official(python, [{**about(one), "text": text} for one, text in answers])
    ours = [
        bool(judge(one, Generation(text=text, n_prompt=1, n_output=1, finish="stop"), asking).values[BFCL])
        for one, text in answers
    ]
    apart = [
        [one.id, f"ours {our}, BFCL {their}", text]
        for (one, text), our, their in zip(answers, ours, theirs, strict=True)
        if our is not their
    ]
    n = len(answers)
    return {
        "run": f"{run.parent.name}/{run.name}",
        "outputs": n,
        "right": sum(ours),
        "as BFCL": (n - len(apart)) / n if n else None,
        "goal": GOAL,
        "apart": apart[:20],
    }


if __name__ == "__main__":
    main()
