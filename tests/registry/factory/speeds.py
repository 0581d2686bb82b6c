"""The whole suite ``performance``, with noise: as it was at first, and as it is today."""

from __future__ import annotations

import random

from pytest_slm.core.rounds import Shape
from pytest_slm.core.types import Measurement, Metric, Result

from .pieces import rounds, timing

STEAL = "the hypervisor took 7 % of the CPU (steal)"


def performance(quantization: str, mode: str, rng: random.Random, base: float) -> list[Result]:
    """Decode, time to first token and memory, as the suite ``performance`` gives them."""
    lengths, contexts = (("100", "500", "1000"), ("512", "2048", "8192")) if mode == "full" else (("100",), ("512",))
    found = [
        timing(
            "decode", n, quantization, mode, "decode_tps", "tok/s",
            [base * (1 - int(n) / 9000) * rng.gauss(1, 0.012) for _ in range(7)],
        )
        for n in lengths
    ]  # fmt: skip
    found += [
        timing(
            "ttft", n, quantization, mode, "ttft", "s",
            [int(n) / (base * 6) * rng.gauss(1, 0.02) for _ in range(7)],
        )
        for n in contexts
        if n != "8192"
    ]  # fmt: skip
    if mode == "full":
        found.append(
            Result(
                suite="performance", task="ttft", variant="8192", quantization=quantization, mode=mode,
                outcome="skipped", kind="performance",
                reason="8192 tokens are more than the model's context of 4096. Nothing to do  [context-too-short]",
            )
        )  # fmt: skip
    size = 1.4e10 / base
    memory = {
        "rss_before_load": 9.1e7,
        "rss_after_load": size * 1.3,
        "peak_rss": size * 1.6,
        "private_after_load": size * 0.3,
        "file_size": size,
    }
    found.append(
        Result(
            suite="performance", task="memory", variant="", quantization=quantization, mode=mode, outcome="passed",
            kind="performance", n_scored=1,
            measurements=tuple(Measurement(name=name, unit="bytes", values=(value,)) for name, value in memory.items()),
        )
    )  # fmt: skip
    return found


def timings(quantization: str, mode: str, rng: random.Random, base: float, *, steal: bool = True) -> list[Result]:
    """Every item of the suite ``performance`` with its parts, depths and verdicts."""
    full = mode == "full"
    about = (quantization, mode)
    reading = 9 * base**0.9 / 1.3

    def around(value: float, n: int = 7, spread: float = 0.01) -> list[float]:
        return [value * rng.gauss(1, spread) for _ in range(n)]

    def latency(name: str, factor: float, n: int) -> Metric:
        return Metric(name=name, value=factor / base, n=7 * n, unit="s", higher_is_better=False)

    found = []
    for n in (100, 500, 1000) if full else (100,):
        rates = around(base * (1 - n / 9000), spread=0.06 if steal and n == 1000 else 0.01)
        values = {
            "decode_tps": ("tok/s", rates),
            "tpot": ("s", [1 / rate for rate in rates]),
            "e2e_tps": ("tok/s", [rate * 0.96 for rate in rates]),
        }
        gaps = [latency(f"itl_p{q}", factor, n) for q, factor in ((50, 1.0), (95, 1.12), (99, 1.6))]
        noise = STEAL if steal and n == 1000 else ""
        energy = "the counters of energy (RAPL) cannot be read without root"
        found.append(rounds("decode", str(n), *about, values, profile="user", noise=noise, extra=gaps, energy=energy))
    for n in (512, 2048) if full else (512,):
        prefill = around(n / reading * (1 + n / 4000))
        parts = [(0.0011 + n * 4e-7, one, 0.0004, 0.00003) for one in prefill]
        values = {"ttft": ("s", [sum(part) for part in parts])}
        names = ("ttft_tokenize", "ttft_prefill", "ttft_sample", "ttft_detokenize")
        values |= {name: ("s", [part[place] for part in parts]) for place, name in enumerate(names)}
        found.append(rounds("ttft", str(n), *about, values, profile="user"))
    found.append(rounds("prefill", "512", *about, {"prefill_tps": ("tok/s", around(reading))}))
    found.append(rounds("generate", "128", *about, {"decode_tps": ("tok/s", around(base))}))
    for variant, depth in (("0", 0), ("512", 512), ("2048", 2048), ("context", 3584)) if full else ():
        values = {
            "prefill_tps": ("tok/s", around(reading / (1 + depth / 900))),
            "decode_tps": ("tok/s", around(base / (1 + depth / 3000))),
        }
        found.append(rounds("depth", variant, *about, values, told=2, shape=Shape(depth=depth)))
    for n in (1, 4, 16) if full else ():
        total = around(base * n**0.43)
        values = {"total_tps": ("tok/s", total), "per_sequence_tps": ("tok/s", [one / n for one in total])}
        found.append(rounds("parallel", str(n), *about, values))
    for kind, seconds in (("cold", 0.42), ("warm", 0.11)) if full else (("warm", 0.11),):
        found.append(rounds("load", kind, *about, {"load_s": ("s", around(seconds))}))
    size = 1.4e10 / base
    memory = {
        "rss_before_load": 9.1e7, "rss_after_load": size + 1.4e8, "private_after_load": 1.3e8,
        "mapped_after_load": size, "peak_rss": size + 2.9e8, "peak_rss_2k": size + 2.5e8, "weights": size,
        "kv_cache": 9.4e7, "compute_buffers": 2.6e7, "other": 1.7e8, "file_size": size * 1.01,
    }  # fmt: skip
    found.append(
        Result(
            suite="performance", task="memory", variant="", quantization=quantization, mode=mode, outcome="passed",
            kind="performance", n_scored=1,
            measurements=tuple(Measurement(name=name, unit="B", values=(value,)) for name, value in memory.items()),
            shape=Shape(context=2048),
        )
    )  # fmt: skip
    return found
