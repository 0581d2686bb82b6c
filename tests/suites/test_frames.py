"""FRAMES with its articles: an oracle gets everything, and what the mirror lacks is not asked."""

import json
import shutil
from pathlib import Path

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.types import Dataset, Generation
from pytest_slm.data import tables
from pytest_slm.data.articles import link_of
from pytest_slm.errors import NotAvailableError
from pytest_slm.extensions import Extensions
from pytest_slm.run.drive import measure

PATH = "google/frames-benchmark"


@pytest.fixture
def own_mirror(mirror, tmp_path):
    """A mirror of this test's own, with FRAMES' rows."""
    pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
    if not (mirror / PATH).is_dir():
        pytest.skip(f"the mirror has no {PATH}")
    shutil.copytree(mirror / PATH, tmp_path / PATH)
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o755)
    return tmp_path


class Reader(Fake):
    """Answers a question by the article that has it."""

    def generate(self, requests, *progress):
        self.asked = [one.messages[-1].content for one in requests]
        answers = [text.partition("The answer: ")[2].partition("\n")[0] for text in self.asked]
        return [Generation(text=text or "none", n_prompt=1, n_output=1, finish="stop") for text in answers]


def test_the_oracle_shows_what_the_mirror_has(built_in, own_mirror: Path, context, fake):
    task = built_in("rag/frames_oracle")
    surroundings = context(fake(Reader, context_length=9_000), data=str(own_mirror), limit=3)
    with pytest.raises(NotAvailableError, match="none of the 824 questions has all of its articles") as caught:
        measure(task, "8192", surroundings)
    assert caught.value.slug == "articles-missing"
    rows = tables.read(Dataset(path=PATH), surroundings.config).rows
    links = Extensions().generators.lookup("articles").links
    assert len({link for address in links(task.options, lambda _dataset: rows) if (link := link_of(address))}) > 2400
    some = [row for row in rows if len(str(row["Answer"]).split()) < 4 and row["Answer"].isascii()][:4]
    for number, row in enumerate(some):
        text = f"The answer: {row['Answer']}\n" + "word " * (20_000 if number == 0 else 20)
        for address in links(task.options, lambda _dataset: [row]):  # noqa: B023
            path = own_mirror / link_of(address).name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"title": "T", "text": text}))
    backend = fake(Reader, context_length=9_000)
    result = measure(task, "8192", context(backend, data=str(own_mirror), limit=3))
    assert (result.metric("accuracy").value, result.n_scored) == (1.0, 3)
    assert result.provenance["questions_without_articles"] > 100
    assert len(backend.asked) == 3
    with pytest.raises(NotAvailableError, match="do not fit into the context of 4096"):
        measure(task, "8192", context(fake(context_length=4096), data=str(own_mirror)))
