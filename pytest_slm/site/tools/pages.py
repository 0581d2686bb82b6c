"""The pages of tools by their paths, and the data that they compute with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_slm.site.render import linked_page, static
from pytest_slm.site.tools.data import tools_data
from pytest_slm.site.tools.prices import price_table

TOOLS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("memory", "Memory calculator", "Weights, KV cache and buffers at the context that you need.", ("gguf",)),
    ("hardware", "Hardware picker", "Which device holds a file with a context.", ("gguf",)),
    ("cost", "Cost calculator", "Own hardware, a rented GPU or an API, with prices that have a source, or yours.", ()),
    ("command", "Benchmark command", "The command that measures your model.", ()),
    ("tokenizer", "Tokenizer", "How a model cuts your text.", ("gguf", "bpe")),
    ("report", "Report viewer", "A report.json of a run, shown here.", ()),
)
"""Name, title, what it is for, and what it needs beside the common scripts."""
COMMON = ("footprint", "page")
WAYS = ("smollm", "gpt-2", "llama-bpe", "qwen2")
"""What ``bpe.js`` knows."""


def tools_pages(rows: Iterable[Sequence[Any]], guides: str = "") -> Mapping[str, str]:
    """Every file of the tools by its path in the site; ``rows`` are those of ``tool_row``, ``guides`` is where those
    are, seen from the first page."""
    pages = {}
    for name, _, _, needed in TOOLS:
        scripts = ["data.js", f"{name}.js"]
        pages[f"tools/{name}.js"] = "".join(static(f"tools/{one}.js") for one in (*COMMON, *needed, name))
        pages[f"tools/{name}.html"] = linked_page(
            f"tools/{name}.html", root="../", script="data.js", scripts=scripts, ways=WAYS, prices=price_table()
        )
    listed = [(f"{name}.html", title, says) for name, title, says, _ in TOOLS]
    pages["tools/index.html"] = linked_page(
        "tools/index.html", root="../", tools=listed, guides=_seen_from_below(guides)
    )
    pages["tools/tools.css"] = static("tools/tools.css")
    pages["tools/data.js"] = tools_data(rows)
    return pages


def _seen_from_below(guides: str) -> str:
    return guides if not guides or re.match(r"https?://", guides) else f"../{guides}"
