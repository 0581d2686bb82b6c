"""The folder of pages: its lists and links, the same bytes twice, and what it never replaces; and the command."""

import re
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from pytest_slm.cli.main import main
from pytest_slm.errors import SlmError
from pytest_slm.handbook.facts import Attention, HubFile, HubModels, HubQuantization, HubStats, ReportedScore
from pytest_slm.handbook.pages import build_pages
from pytest_slm.handbook.storing import write_data

LIST = "tasks: {chat: Chat}\nmodels: [{repo: org/tiny, tasks: [chat]}]\n"
KEPT = Attention(layers=30, kv_heads=3, head_size=64, source="org/tiny")


@pytest.fixture
def data(tmp_path, model):
    """Facts of two models on disk."""
    folder = tmp_path / "docs-site/data"
    models = (model("org/other", license="gemma", downloads=5), model("org/tiny"))
    write_data(folder, HubModels(models=models), HubStats(synced="2026-11-30"))
    (folder / "featured.yaml").write_text(LIST)
    return folder


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_builds_give_the_same_bytes(data, tmp_path):
    n = build_pages(data, tmp_path / "docs-site/models")
    first = files(tmp_path / "docs-site/models")
    build_pages(data, tmp_path / "docs-site/models")
    assert files(tmp_path / "docs-site/models") == first
    assert len(first) == n + 1  # and the mark that it was made here
    assert {"org--tiny.md", "index.md", "whats-new.md", "state.md", "by-task/chat.md", "by-licence/gemma.md"} <= set(
        first
    )
    assert "by-hardware/raspberry-pi-5-4gb.md" in first


def test_pages_behind_a_link_are_replaced_where_they_are(data, tmp_path):
    (tmp_path / "docs-site/models").symlink_to(tmp_path / "served")
    n = build_pages(data, tmp_path / "docs-site/models")
    build_pages(data, tmp_path / "docs-site/models")
    assert (tmp_path / "docs-site/models").is_symlink()
    assert len(files(tmp_path / "served")) == n + 1


def test_every_link_leads_to_a_page_and_every_page_is_linked(data, tmp_path):
    folder = tmp_path / "docs-site/models"
    build_pages(data, folder)
    linked = set()
    for path in folder.rglob("*.md"):
        for target in re.findall(r"\]\(([^)]+\.md)\)", path.read_text()):
            place = (path.parent / target).resolve()
            assert place.is_file(), (path, target)
            linked.add(place)
    assert set(folder.rglob("*.md")) - linked == set()


def test_a_page_that_is_no_longer_made_is_gone(data, tmp_path, model):
    folder = tmp_path / "docs-site/models"
    build_pages(data, folder)
    write_data(data, HubModels(models=(model("org/tiny"),)), HubStats())
    build_pages(data, folder)
    assert not (folder / "org--other.md").exists()


def test_a_folder_of_somebody_else_is_never_replaced(data, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.md").write_text("years of work")
    with pytest.raises(SlmError, match="hub-foreign"):
        build_pages(data, folder)
    assert (folder / "thesis.md").read_text() == "years of work"


def test_without_facts_it_says_where_they_come_from(tmp_path):
    with pytest.raises(SlmError, match=r"hub sync.*hub-no-models"):
        build_pages(tmp_path, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_facts_that_were_changed_by_hand_are_refused(data, tmp_path):
    text = (data / "models.json").read_text()
    (data / "models.json").write_text(text.replace('"repo": "org/tiny"', '"repo": "../../tiny"'))
    with pytest.raises(SlmError, match="hub-data"):
        build_pages(data, tmp_path / "models")


@pytest.mark.parametrize(
    "options",
    [{"repository": "https://evil.example/x"}, {"repository": "javascript:x"}, {"site": "javascript:alert(1)"}],
)
def test_addresses_are_of_the_web(data, tmp_path, options):
    with pytest.raises(SlmError, match="site-address"):
        build_pages(data, tmp_path / "models", **options)


def test_long_lists_have_several_pages(pages, model):
    first = model("org/m")
    found = pages(*(replace(first, repo=f"org/{number:03}{'x' * 80}") for number in range(160)))
    assert "index-3.md" not in found
    assert "Pages: 1 · [2](index-2.md)" in found["index.md"]
    assert "Pages: [1](index.md) · 2" in found["index-2.md"]
    assert [found[name].count("| [org/") for name in ("index.md", "index-2.md")] == [150, 10]
    assert max(len(text.encode()) for text in found.values()) <= 100_000


def test_the_largest_page_of_a_model_has_at_most_100_kilobytes(pages, model):
    long = "&" * 190
    many = model(
        files=tuple(HubFile(name=f"{long}{n}.bin", size=n) for n in range(300)),
        quantizations=tuple(HubQuantization(name=f"Q{n}", file=f"m-{n}.gguf", size=10**9) for n in range(300)),
        reported=tuple(ReportedScore(benchmark=f"{long}{n}"[-200:], metric=long, value=n) for n in range(100)),
        tags=tuple(f"{long}{n}" for n in range(40)),
        attention=KEPT,
        n_files=305,
    )
    text = pages(many)["org--tiny.md"]
    assert len(text.encode()) <= 100_000
    assert "And 265 more." in text


def test_a_page_of_a_device_lists_what_fits_there(pages, model):
    small = model("org/small", attention=None)
    large = model(
        "org/large", attention=None, quantizations=(HubQuantization(name="F16", file="m.gguf", size=5 * 10**9),)
    )
    found = pages(small, large)
    assert "org/large" not in found["by-hardware/mobile-high-end.md"]
    assert "org/small" in found["by-hardware/mobile-high-end.md"]
    assert "org/large" in found["by-hardware/16gb-laptop.md"]


# -- the command ----------------------------------------------------------------------------------------------------


def test_the_command_syncs_and_makes_pages(hub, data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hub.add("org/tiny", downloads=777)
    assert main(["hub", "sync", "--data", str(data)]) == 0
    told = capsys.readouterr()
    assert re.search(r"data: 2 models, 1 read, 1 changes, 3 questions; written: models.json", told.out)
    assert "org/other: not at" in told.err  # it was known, and is not there
    assert main(["hub", "pages"]) == 0
    assert "docs-site/models: " in capsys.readouterr().out
    assert "| Downloads in 30 days | 777 |" in (tmp_path / "docs-site/models/org--tiny.md").read_text()


def test_the_command_fails_where_nothing_was_read(hub, data, capsys):
    before = files(data)
    assert main(["hub", "sync", "--data", str(data), "--requests", "0"]) == 1
    assert "nothing written, the Hub has told of no model" in capsys.readouterr().err
    assert files(data) == before


@pytest.mark.parametrize("number", ["-1", "many", "9" * 9, "\u0663"])
def test_numbers_that_are_none_are_refused(number, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["hub", "sync", f"--requests={number}"])
    assert stopped.value.code == 2
    assert "a whole number" in capsys.readouterr().err


def test_places_are_relative(pages, model):
    assert all(not PurePosixPath(place).is_absolute() for place in pages(model()))
