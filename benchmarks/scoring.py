"""Questions per second of the scorer against its peers, and against the physical limit, alternating in one run.

python -m benchmarks.scoring --data DIR --tasks hellaswag,mmlu_5 --peers hf,server
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.data import TASKS, Question, questions, weights
from benchmarks.common.limit import DEPTHS, Prefill, limit_seconds, logits_rows, token_pairs, trie_depths
from benchmarks.common.outcome import Progress, bars, ratios, recorded, spread, table
from benchmarks.common.peers import (
    Evalution,
    LmEvalHf,
    LmEvalServer,
    Ours,
    Scorer,
    own_process_seconds,
    perplexity_seconds,
)
from pytest_slm.core.submission import ENGINES

SLICES = 4
"""The engine's rates are measured again after each: on a shared machine they change within a minute. MMLU's four
subjects are such slices, so that no beginning is cut."""

CHOICES = tuple(name for name in TASKS if name != "gsm8k_5")

LIMITS = ("limit_ratio", "limit_ratio, logits counted")


class _Slice:
    """Some questions, and what of them the limit counts."""

    def __init__(self, path: Path, asked: Sequence[Question]) -> None:
        self.asked = asked
        ids = token_pairs(str(path), [pair for question in asked for pair in question.pairs])
        self.depths, self.logits_rows = trie_depths(ids), logits_rows(ids)


def _cut(asked: Sequence[Question]) -> list[Sequence[Question]]:
    size = -(-len(asked) // SLICES)
    return [asked[start : start + size] for start in range(0, len(asked), size)]


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), questions=200)
    parser.add_argument(
        "--tasks",
        type=arguments.among(CHOICES),
        default="hellaswag,mmlu_5",
        help=f"of {', '.join(CHOICES)}",
    )
    parser.add_argument("--quantization", default="Q4_0", help="of ours and of peers that read GGUF")
    parser.add_argument(
        "--peers",
        type=arguments.among(("hf", "server", "evalution", *ENGINES), none=True),
        default="hf",
        help="of hf, server, evalution, and with our own scorer llama.cpp, ik; with commas; empty for none",
    )
    parser.add_argument("--engine", choices=ENGINES, help="that of ours and of the limit (default: as installed)")
    parser.add_argument(
        "--peer-questions", type=arguments.count, help="the most that a peer scores a round (default: its own)"
    )
    parser.add_argument("--python", default="python", help="interpreter with llama-cpp-python[server]")
    parser.add_argument("--evalution-python", default="python", help="interpreter with Evalution")
    parser.add_argument(
        "--llama-perplexity", type=arguments.program, help="its binary: whole processes are compared on HellaSwag"
    )
    options = arguments.checked(parser, [*arguments.PLOTS, "lm_eval"])
    arguments.require(parser, arguments.HF if "hf" in options.peers else ())
    for name, interpreter in {"server": options.python, "evalution": options.evalution_python}.items():
        if name in options.peers and shutil.which(interpreter) is None:
            parser.error(f"{name}: {interpreter}: no program that can be started")
    for task in options.tasks:
        measure(task, options)


def measure(task: str, options: Any) -> None:
    """All rounds of one task."""
    path = weights(options.model, options.quantization)
    asked = questions(task, options.questions, options.data)
    pairs = [pair for question in asked for pair in question.pairs]
    ours = Ours(path, options.threads, engine=options.engine)
    flash = bool(ours.backend.describe().flash_attention)
    prefill = Prefill(str(path), threads=options.threads, flash_attention=flash, engine=options.engine)
    slices = [_Slice(path, part) for part in _cut(asked)]
    made: dict[str, Callable[[], Scorer]] = {
        "hf": lambda: LmEvalHf(weights(options.model, "F32"), options.threads),
        "server": lambda: LmEvalServer(path, options.threads, options.python),
        "evalution": lambda: Evalution(path, options.threads, options.evalution_python),
        **{engine: partial(Ours, path, options.threads, engine=engine) for engine in ENGINES},
    }
    binary = options.llama_perplexity if task == "hellaswag" else None
    about = {
        "task": task,
        "quantization": options.quantization,
        "questions": len(asked),
        "requests": len(pairs),
        "trie_tokens": sum(sum(part.depths.values()) for part in slices),
        "logits_rows": sum(part.logits_rows for part in slices),
        "backend": ours.backend.describe().known,
    }
    prefill.rates()
    ours.score(pairs[:16])
    with contextlib.ExitStack() as opened:
        opened.callback(prefill.close)
        opened.callback(ours.close)
        peers: list[Scorer] = []
        for name in options.peers:
            peers.append(made[name]())
            opened.callback(peers[-1].close)
        progress = Progress(options.rounds * (1 + len(peers) + bool(binary)))
        document = opened.enter_context(recorded(options.out, f"scoring-{task}", about))
        for _ in range(options.rounds):
            document["rounds"].append(_round(ours, peers, prefill, slices, asked, binary, options, path, progress))
            document["summary"] = summary(document["rounds"])
        print(f"\n{task}, {options.quantization}, {len(asked)} questions, {options.rounds} rounds\n")
        print(table(_rows(document["summary"]), ("", "median", "least", "greatest", "rounds")))
        bars(
            options.out / f"scoring-{task}.png",
            f"{task}, {options.quantization}, {options.threads} threads: questions scored a second",
            "questions/s",
            {
                key.removesuffix(" questions/s"): [r[key] for r in document["rounds"]]
                for key in _speeds(document["rounds"])
            },
        )


def _round(
    ours: Ours,
    peers: Sequence[Scorer],
    prefill: Prefill,
    slices: Sequence[_Slice],
    asked: Sequence[Question],
    binary: Path | None,
    options: Any,
    path: Path,
    progress: Progress,
) -> dict[str, float]:
    seconds = limit = with_logits = 0.0
    rates = [prefill.rates()]
    for part in slices:
        seconds += _seconds(ours, part.asked)
        rates.append(prefill.rates())
        bare = limit_seconds(part.depths, {depth: mean(by_depth[depth] for by_depth in rates[-2:]) for depth in DEPTHS})
        limit += bare
        with_logits += bare + part.logits_rows * prefill.logits_seconds()
    found = {f"{ours.name} questions/s": len(asked) / seconds, "limit_ratio": seconds / limit}
    found |= {"limit_ratio, logits counted": seconds / with_logits}
    found |= {f"prefill t/s at {depth}": mean(by_depth[depth] for by_depth in rates) for depth in DEPTHS}
    progress.step(f"{ours.name}: {len(asked) / seconds:.2f} questions/s, limit_ratio {found['limit_ratio']:.3f}")
    for peer in peers:
        part = asked[: min(options.peer_questions or peer.most, len(asked))]
        rate = len(part) / _seconds(peer, part)
        found |= {f"{peer.name} questions/s": rate, f"{peer.name} questions": len(part)}
        progress.step(f"{peer.name}: {rate:.3f} questions/s ({len(part)} questions)")
    if binary:
        theirs = perplexity_seconds(binary, path, asked, options.threads)
        mine = own_process_seconds(path, asked, options.threads, options.engine)
        found |= {"llama-perplexity (process) questions/s": len(asked) / theirs}
        found |= {"pytest-slm (process) questions/s": len(asked) / mine}
        progress.step(f"whole processes: llama-perplexity {theirs:.1f} s, pytest-slm {mine:.1f} s")
    return found


def _seconds(scorer: Scorer, asked: Sequence[Question]) -> float:
    pairs = [pair for question in asked for pair in question.pairs]
    began = time.perf_counter()
    scorer.score(pairs)
    return time.perf_counter() - began


def summary(rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Spread of every value, and how many times as fast as each peer we were in the same round."""
    found: dict[str, Any] = {key: spread([r[key] for r in rounds]) for key in (*_speeds(rounds), *LIMITS)}
    for key in _speeds(rounds):
        first = next(iter(rounds[0]))  # ours, with the engine's name where one was chosen
        mine = "pytest-slm (process) questions/s" if "(process)" in key else first
        if key != mine and mine in rounds[0]:
            found[f"times {key.removesuffix(' questions/s')}"] = ratios(
                [r[mine] for r in rounds], [r[key] for r in rounds]
            )
    return found


def _speeds(rounds: Sequence[dict[str, float]]) -> list[str]:
    return [key for key in rounds[0] if key.endswith(" questions/s")]


def _rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (name, *(f"{value[part]:.3f}" for part in ("median", "min", "max")), str(value["n"]))
        for name, value in found.items()
    ]


if __name__ == "__main__":
    main()
