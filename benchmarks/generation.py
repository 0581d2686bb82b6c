"""Tokens per second of many prompts in one call against one call each and lm-eval's hf, alternating in one run.

python -m benchmarks.generation --data DIR --task gsm8k_5 --peers hf
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.data import TASKS, prompts, weights
from benchmarks.common.outcome import Progress, bars, ratios, recorded, spread, table
from benchmarks.common.peers import LmEvalHf, Ours
from pytest_slm.core.types import Generation, Request


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), questions=32)
    parser.add_argument(
        "--task", choices=tuple(TASKS), default="gsm8k_5", help="whose prompts; hellaswag gives short ones"
    )
    parser.add_argument("--quantization", default="Q4_0")
    parser.add_argument("--max-tokens", type=arguments.count, default=128, help="written for each prompt, forced")
    parser.add_argument("--peers", choices=("", "hf"), default="", help="hf, or nothing")
    parser.add_argument(
        "--peer-questions", type=arguments.count, default=8, help="prompts that a peer continues each round"
    )
    options = arguments.checked(parser, [*arguments.PLOTS, "lm_eval"])
    arguments.require(parser, arguments.HF if options.peers else ())
    ours = Ours(weights(options.model, options.quantization), options.threads)
    texts = prompts(options.task, options.questions, options.data)
    requests = [Request(prompt=text, max_tokens=options.max_tokens, forced_length=True) for text in texts]
    about = {"task": options.task, "prompts": len(requests), "max_tokens": options.max_tokens}
    about |= {"backend": dict(ours.backend.describe())}
    hf = LmEvalHf(weights(options.model, "F32"), options.threads) if options.peers == "hf" else None
    progress = Progress((3 if hf else 2) * options.rounds)
    ours.backend.generate(requests[:1])
    with recorded(options.out, f"generation-{options.task}", about) as document:
        for _ in range(options.rounds):
            together, many = _timed(lambda: list(ours.backend.generate(requests)))
            progress.step(f"together: {together:.1f} s")
            alone, ones = _timed(lambda: [ours.backend.generate([request])[0] for request in requests])
            progress.step(f"one by one: {alone:.1f} s")
            document["rounds"].append(
                {
                    "together_s": together,
                    "one by one_s": alone,
                    "n_output": sum(generation.n_output for generation in many),
                    "n_prompt": sum(generation.n_prompt for generation in many),
                    "n_evaluated together": sum(_evaluated(generation) for generation in many),
                    "same texts": sum(a.text == b.text for a, b in zip(many, ones, strict=True)),
                }
            )
            if hf:
                part = texts[: options.peer_questions]
                theirs, _ = _timed(lambda part=part: hf.write(part, options.max_tokens))
                document["rounds"][-1][hf.name] = len(part) * options.max_tokens / theirs
                progress.step(f"{hf.name}: {len(part)} prompts, {theirs:.1f} s")
        rounds: list[dict[str, Any]] = document["rounds"]
        rates = {
            "pytest-slm, together": [r["n_output"] / r["together_s"] for r in rounds],
            "one by one": [r["n_output"] / r["one by one_s"] for r in rounds],
        }
        if hf:
            rates[hf.name] = [r[hf.name] for r in rounds]
        times = ratios([r["one by one_s"] for r in rounds], [r["together_s"] for r in rounds])
        document["summary"] = {**{name: spread(values) for name, values in rates.items()}, "times one by one": times}
        if hf:
            document["summary"][f"times {hf.name}"] = ratios(rates["pytest-slm, together"], rates[hf.name])
        print(f"\n{options.task}, {options.quantization}, {len(requests)} prompts, {options.max_tokens} tokens each\n")
        rows = [
            (name, *(f"{found[part]:.2f}" for part in ("median", "min", "max")))
            for name, found in document["summary"].items()
        ]
        print(table(rows, ("output tokens/s", "median", "least", "greatest")))
        bars(
            options.out / f"generation-{options.task}.png",
            f"{options.task}, {options.quantization}, {len(requests)} prompts, {options.max_tokens} tokens each",
            "output tokens/s, prompts included",
            rates,
        )
    ours.close()


def _timed(work: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def _evaluated(generation: Generation) -> int:
    return generation.timings.n_evaluated if generation.timings else 0


if __name__ == "__main__":
    main()
