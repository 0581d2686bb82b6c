"""Licence and access in plain words."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from pytest_slm.core.record import Record
from pytest_slm.handbook.facts import HubModel
from pytest_slm.handbook.pages.markdown import Md, code, link, say

HUB = "https://huggingface.co/"


@dataclass(frozen=True, kw_only=True)
class License(Record):
    """A licence that is explained; ``commercial``: whether products may be made with it."""

    title: str
    commercial: Literal["yes", "conditions", "no"]
    words: str


@functools.cache
def licenses() -> dict[str, License]:
    """What ``licenses.toml`` says, by the Hub's names."""
    text = resources.files(__package__).joinpath("licenses.toml").read_text("utf-8")
    return {name: License.from_json(entry) for name, entry in tomllib.loads(text).items()}


def license_words(model: HubModel) -> Md:
    """What one may do with a model."""
    known = licenses().get(model.license or "")
    page = link("its page on the Hub", HUB + model.repo)
    if known:
        words = Md(known.words)
        return say("{name}: **{title}**. {words}", name=code(model.license or ""), title=known.title, words=words)
    if model.license is None:
        return say(
            "The Hub does not know a licence of it. Without one nobody has allowed anything; ask its owner on {page}.",
            page=page,
        )
    named = f" ({model.license_name})" if model.license_name else ""
    return say(
        "{name}{named}: a licence that is not explained here. Read it on {page} before you use the model.",
        name=code(model.license),
        named=named,
        page=page,
    )


def access_words(model: HubModel) -> Md:
    """Who can download a model."""
    page = link("its page on the Hub", HUB + model.repo)
    if model.gated == "no":
        return Md("Everybody can download it, without an account.")
    if model.gated == "auto":
        return say("Accept its terms on {page}, then log in with `hf auth login`; access is given at once.", page=page)
    if model.gated == "manual":
        return say(
            "Ask for access on {page}, wait until its owner gives it, then log in with `hf auth login`.", page=page
        )
    return Md("Whether it can be downloaded without asking is not known.")


def commercial(model: HubModel) -> str:
    """Whether products may be made with it, in a word or two."""
    known = licenses().get(model.license or "")
    words = {"yes": "yes", "conditions": "with conditions", "no": "no"}
    return words[known.commercial] if known else "not known"
