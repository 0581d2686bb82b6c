"""What the script of the home page reads: small, the same each time, and nothing but data."""

from __future__ import annotations

import gzip
import json
import re

from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.build import site_pages
from pytest_slm.site.home.data import script_json

MOST_ZIPPED, MOST = 150_000, 400_000


def built(runs):
    """The pages of some runs."""
    found = [StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run) for n, run in enumerate(runs)]
    return site_pages(build_registry(found))


def read(script):
    """The JSON in a script."""
    return json.loads(re.fullmatch(r"[\w.\[\] ]+ = (.*);\n", script, re.DOTALL)[1])


def test_names_cannot_end_the_script_or_be_code(hostile):
    text = script_json([hostile])
    assert json.loads(text) == [hostile]
    assert text.isascii()
    assert not set("<>&'") & set(text)


def test_the_data_hold_what_the_table_shows(runs):
    pages = built(runs)
    data = read(pages["data/files.js"])
    assert len(data["model"]) == 6
    assert data["names"] == ["Qwen3 0.6B", "SmolLM2 135M Instruct", "Gemma 3 270M"]
    assert data["scales"][0] == "marketplace"
    for number in range(1, len(data["scales"])):
        scores = read(pages[f"data/scores-{number}.js"])
        assert {len(scores[key]) for key in ("score", "low", "high", "chance", "group", "quick", "notes")} == {6}
    for key, column in data["columns"].items():
        count = 3 if column["model"] else 6
        assert len(column["values"]) == count, key


def test_a_thousand_models_are_a_light_home(factory):
    # Building the registry of a thousand takes longer than all else here: the files of 20 are repeated.
    from dataclasses import replace

    from pytest_slm.site.facts.wide import wide_of
    from pytest_slm.site.home.columns import PLACES
    from pytest_slm.site.home.pages import home_pages
    from pytest_slm.site.home.scores import scales
    from pytest_slm.site.render import static

    runs = [
        factory.make_run(slug=f"m{n}", name=f"Model {n}", hf_repo=f"org/model-{n}", modern=True, quality=0.3 + n / 80)
        for n in range(20)
    ]
    registry = build_registry([StoredReport(path=str(n), sha256="a" * 64, run=run) for n, run in enumerate(runs)])
    few, size = wide_of(registry), PLACES["size"]

    def another(model, n):
        files = []
        for file in model.files:
            values = [*file.values]
            values[size] += 8 * n
            made = file._replace(model=f"{file.model}-{n}", id=f"{file.id}-{n}", values=values)
            files.append(made._replace(name=f"{file.name} {n} {'x' * (n % 17)}"))
        listed = [f"{model.id}-{n}", files[0].name, [["", file.quantization] for file in files]]
        return model._replace(id=f"{model.id}-{n}", files=tuple(files), listed=listed)

    many = replace(few, models=tuple(another(model, n) for n in range(50) for model in few.models))
    pages = home_pages(many, scales(many))
    assert len(many.files) == 1000
    assert len(pages) > 20
    parts = [pages["index.html"], pages["data/files.js"], *map(static, ("style.css", "home.js"))]
    assert read(pages["data/files.js"])["pairs"] == [1] * 1000
    assert sum(len(part.encode()) for part in parts) <= MOST
    assert sum(len(gzip.compress(part.encode())) for part in parts) <= MOST_ZIPPED
    assert max(len(page.encode()) for name, page in pages.items() if name.endswith(".html")) <= MOST_ZIPPED
    assert len(gzip.compress(static("home.js").encode())) <= 20_000
