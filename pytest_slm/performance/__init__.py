"""Timings and memory of one open model. Times are stamped in the model's process; nothing timed is cached.

Two profiles: ``engine`` (what llama-bench measures: random ids, no tokenizer, no sampler) and ``user`` (what somebody
who asks waits for: chat template, tokenizer, prompt, sampler, text).

- ``rounds``   how rounds are played and told: warm-ups, the rule when they are enough, conditions, energy
- ``user``     decoding, and the time to the first token
- ``engine``   prompts, generation, depth, sequences in parallel
- ``loading``  opening the model, in a fresh process each time
- ``memory``   of a fresh process
- ``bounds``   what no machine can do
- ``prompts``  texts of an exact number of tokens
"""

from pytest_slm.performance.bounds import check_rates
from pytest_slm.performance.engine import (
    DEPTH_OUTPUT,
    DEPTH_PROMPT,
    Depth,
    Generate,
    Parallel,
    Prefill,
)
from pytest_slm.performance.loading import Load
from pytest_slm.performance.memory import memory
from pytest_slm.performance.rounds import (
    QuantitySpec,
    Round,
    RoundPlayer,
    Rounds,
    RoundsResult,
    Subject,
    median_metric,
    play,
    require_context,
)
from pytest_slm.performance.user import PROMPT_TOKENS, Decode, FirstToken

__all__ = [
    "DEPTH_OUTPUT",
    "DEPTH_PROMPT",
    "PROMPT_TOKENS",
    "Decode",
    "Depth",
    "FirstToken",
    "Generate",
    "Load",
    "Parallel",
    "Prefill",
    "QuantitySpec",
    "Round",
    "RoundPlayer",
    "Rounds",
    "RoundsResult",
    "Subject",
    "check_rates",
    "median_metric",
    "memory",
    "play",
    "require_context",
]
