"""What people call the metrics, parts and variants of reports: one place for the words of all pages.

Titles of tasks and suites stand in their YAML files (:mod:`pytest_slm.site.titles.definitions`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from pytest_slm.site import numbers

KEPT = 4096
"""Words that are kept in mind: pages of many models say the same ones again and again."""
METRICS: Mapping[str, str] = {
    "acc": "Accuracy",
    "acc_letters": "Accuracy by answer letter",
    "acc_norm": "Accuracy, length-normalized",
    "all_three": "All three right",
    "auroc": "AUROC",
    "bfcl_v4_without_agentic": "BFCL v4 without its agentic part",
    "biased_answers": "Biased answers",
    "brier": "Brier score",
    "call_accuracy": "Accuracy where a call is due",
    "citation_precision": "Precision of citations",
    "citation_recall": "Recall of citations",
    "abstention_precision": "Precision of abstentions",
    "abstention_recall": "Recall of abstentions",
    "correct": "Correct answers",
    "decode_tps": "Speed",
    "draft_acceptance": "Drafted tokens kept",
    "e2e_tps": "Speed, end to end",
    "exact_match[prompts cut]": "Exact match, prompts cut",
    "f1": "F1",
    "f1_functions": "F1 of functions",
    "f1_parameters": "F1 of parameters",
    "full_refusal_rate": "Full refusals",
    "grounded": "Grounded answers",
    "inst_level_loose_acc": "Instructions followed, loosely read",
    "inst_level_strict_acc": "Instructions followed",
    "irrelevance": "No call where none is due",
    "irrelevance_accuracy": "Accuracy where no call is due",
    "irrelevance_detection": "No call where none is due, all",
    "itl_p50": "Time between tokens, median",
    "itl_p95": "Time between tokens, 95th percentile",
    "itl_p99": "Time between tokens, 99th percentile",
    "likelihood_diff": "Difference of log-likelihoods",
    "lm_eval_acc": "Accuracy as lm-eval counts it",
    "lm_eval_s_amb": "Bias in ambiguous contexts, as lm-eval counts it",
    "lm_eval_s_dis": "Bias in clear contexts, as lm-eval counts it",
    "load_s": "Time to load",
    "macro_f1": "Macro F1",
    "moved": "Answers that change with the order of choices",
    "multi_turn": "Multi-turn",
    "non_live": "Non-live",
    "none_accuracy": "Accuracy where no function fits",
    "over_refusal_rate": "Over-refusal rate",
    "partial_refusal_rate": "Partial refusals",
    "pass_at_1": "pass@1",
    "pct_stereotype": "Stereotypes preferred",
    "peak_rss": "Peak memory",
    "position_spread": "Spread between positions",
    "prefill_tps": "Prompt processing speed",
    "prompt_level_loose_acc": "Prompts followed in full, loosely read",
    "prompt_level_strict_acc": "Prompts followed in full",
    "s_amb": "Bias in ambiguous contexts",
    "s_dis": "Bias in clear contexts",
    "safe": "Safe answers",
    "simple_javascript": "Simple, JavaScript",
    "strict_accuracy": "Balanced accuracy, strict notation",
    "strict_call_accuracy": "Accuracy where a call is due, strict notation",
    "string_match_all": "Share of strings found",
    "string_match_part": "Any string found",
    "token_probability": "Probability of a token (1 ÷ perplexity)",
    "total_tps": "Speed of all sequences together",
    "tpot": "Time per output token",
    "ttft": "Time to first token",
    "unsafe_refusal_rate": "Refusals of unsafe requests",
    "utility": "Task still done",
    "utility_under_attack": "Task still done under attack",
    "valid": "Valid answers",
    "waste": "Tokens outside the JSON",
    "weighted_f1": "Weighted F1",
}
"""Metrics that the words of their keys do not say."""

PREFIXES: Sequence[tuple[str, str]] = (
    ("accuracy_", "Accuracy, "),
    ("expected_maximum_toxicity_", "Expected maximum toxicity, "),
    ("s_amb_", "Bias in ambiguous contexts, "),
    ("s_dis_", "Bias in clear contexts, "),
    ("sentiment_gap_", "Sentiment gap by "),
    ("simple_", "Simple, "),
    ("live_", "Live, "),
    ("toxicity_gap_", "Toxicity gap by "),
    ("toxicity_probability_", "Toxicity probability, "),
    ("unsupported_", "Unsupported "),
)
"""How keys begin that come in families, and what their words begin with."""

PARTS: Mapping[str, str] = {
    "miss_func": "missing functions",
    "miss_param": "missing parameters",
    "context": "whole context",
    "kv": "key-value store",
    "rec_sum": "recursive summary",
    "race_x_gender": "race and gender",
    "race_x_ses": "race and socio-economic status",
    "ses": "socio-economic status",
    "nontoxic_prompts": "non-toxic prompts",
    "prompts_scored_nontoxic": "prompts scored as non-toxic",
    "prompts_scored_toxic": "prompts scored as toxic",
}
"""Variants of tasks, and groups of their questions."""

PROFILES: Mapping[str, str] = {"marketplace": "Overall"}
"""Profiles whose name is no word for what they weigh."""

IDENTIFIER = re.compile(
    r"`(?P<ticked>[^`\n]+)`|(?<![\w/.:@=-])-{0,2}[A-Za-z0-9][\w./@=-]*_[\w./@=-]*\w|(?<![\w=-])--[a-z][\w=-]*\w"
)
"""A word that only programs say: a key, a flag of a processor, a path, an option, a command between back ticks. None
begins behind a sign that it may hold: the end of a long text would be looked for from each of them."""
CODE = Markup("<code>{}</code>")


@functools.lru_cache(KEPT)
def words(name: str) -> str:
    """``function_calling`` -> ``Function calling``."""
    return (name[:1].upper() + name[1:]).replace("_", " ")


@functools.lru_cache(KEPT)
def metric_title(name: str) -> str:
    """What people call a metric: ``acc_norm`` -> ``Accuracy, length-normalized``, ``accuracy[category=fraud]`` ->
    ``Accuracy, category fraud``."""
    if name in METRICS:
        return METRICS[name]
    base, bracket, part = name.removesuffix("]").partition("[")
    if bracket and base:
        return f"{metric_title(base)}, {part_title(part)}"
    for prefix, title in PREFIXES:
        if name.startswith(prefix) and name != prefix:
            return title + part_title(name.removeprefix(prefix))
    return words(name)


def part_title(name: str) -> str:
    """What people call a group of questions: ``category=live_simple`` -> ``category live simple``."""
    return " ".join(PARTS.get(part, part.replace("_", " ")) for part in name.split("=", 1))


@functools.lru_cache(KEPT)
def variant_title(name: str) -> str:
    """What people call a variant of a task; a length has spaces between its thousands."""
    plain = name.isascii() and name.isdecimal() and len(name) < 12 and not name.startswith("0")
    return numbers.number(int(name), 0) if plain else part_title(name)


def profile_title(name: str) -> str:
    """What people call a profile of weights."""
    return PROFILES.get(name, words(name))


def profile_order(name: str) -> tuple[bool, str]:
    """What profiles are sorted by: the overall one first."""
    return name not in PROFILES, name


def coded(text: object) -> Markup:
    """Text in which identifiers are marked as code; everything is escaped."""
    plain = str(text)
    if "_" not in plain and "`" not in plain and "--" not in plain:  # as most texts
        return escape(plain)
    found, end = [], 0
    for match in IDENTIFIER.finditer(plain):
        found += [escape(plain[end : match.start()]), CODE.format(match["ticked"] or match.group())]
        end = match.end()
    return Markup("").join([*found, escape(plain[end:])])
