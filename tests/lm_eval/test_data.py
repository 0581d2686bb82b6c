"""Data of the mirror: no network, no other mirror's rows; what cannot be had is a skip, what is broken an error."""

import shutil
import socket
from pathlib import Path

import pytest

from pytest_slm.data import rows as rows_of
from pytest_slm.errors import BackendError, NotAvailableError

ARC = Path("allenai", "ai2_arc")


@pytest.fixture
def no_hub_cache(lm_eval, tmp_path, monkeypatch):
    """What a user of this machine once downloaded is not seen."""
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-datasets")
    monkeypatch.setattr(datasets.config, "HF_CACHE_HOME", tmp_path / "hf")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def copied(mirror, tmp_path):
    """A copy of ARC challenge's mirror, to be spoiled."""
    target = tmp_path / "copied" / ARC
    (target / "ARC-Challenge").mkdir(parents=True)
    shutil.copy(mirror / ARC / "README.md", target)
    for path in (mirror / ARC / "ARC-Challenge").iterdir():
        shutil.copy(path, target / "ARC-Challenge")
    return tmp_path / "copied"


@pytest.fixture
def empty_mirror(tmp_path):
    """A mirror that has none of the data."""
    (tmp_path / "empty").mkdir()
    return str(tmp_path / "empty")


@pytest.fixture
def closed_port(monkeypatch):
    """The Hub's address is a port of this machine on which nobody listens; no proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_a_result_says_what_it_depends_on(ask, arc, copied):
    provenance = ask(arc, limit=2).provenance
    assert provenance["lm_eval_task"] == "arc_challenge"
    assert provenance["lm_eval_task_version"] == "1.0"
    assert (provenance["dataset"], provenance["dataset_config"]) == ("allenai/ai2_arc", "ARC-Challenge")
    assert provenance["data_from"] == "mirror"
    assert provenance["data_sha256"] == ask(arc, limit=2, data=str(copied)).provenance["data_sha256"]


def test_two_mirrors_of_one_layout_give_their_own_rows(ask, arc, copied, records):
    # datasets keys its cache by the folder's name and layout
    import pyarrow
    from pyarrow import parquet

    ask(arc, limit=2)
    path = copied / ARC / "ARC-Challenge" / "test.parquet"
    table = parquet.read_table(path)
    turned = table.to_pylist()[::-1]
    parquet.write_table(pyarrow.Table.from_pylist(turned, schema=table.schema), path)
    records.clear()
    ask(arc, limit=2, data=str(copied))
    assert [record.doc_id for record in records] == [turned[record.metadata["index"]]["id"] for record in records]


@pytest.mark.parametrize("with_mirror", [False, True])
def test_offline_missing_data_is_a_skip_without_any_connection(
    ask, arc, no_hub_cache, no_network, empty_mirror, with_mirror
):
    with pytest.raises(NotAvailableError, match=r"allenai/ai2_arc .*cannot be reached.*--slm-data=DIR") as caught:
        ask(arc, data=empty_mirror if with_mirror else None, offline=True)
    assert caught.value.slug == "data-unreachable"


def test_a_hub_that_does_not_answer_is_a_skip_and_not_asked_again(ask, arc, no_hub_cache, closed_port, monkeypatch):
    # its own client would try for half a minute
    offline = []
    hub_offline = rows_of._hub_offline
    monkeypatch.setattr(rows_of, "_hub_offline", lambda said: (offline.append(said), hub_offline(said))[1])
    with pytest.raises(NotAvailableError, match="the Hub does not answer"):
        ask(arc, data=None)
    assert offline == [True]


def test_a_hub_that_listens_answers(closed_port, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert rows_of.hub_answers()


def test_a_port_nobody_listens_on_does_not_answer(closed_port):
    assert not rows_of.hub_answers()


def test_behind_a_proxy_the_proxy_is_asked(closed_port, monkeypatch, no_network):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert rows_of.hub_answers()


def test_data_in_the_mirror_need_no_network(ask, arc, copied, no_network):
    # a copy, so that no cache of another test can stand in for it
    (copied / ARC / "README.md").write_text((copied / ARC / "README.md").read_text() + "\nmy own\n")
    assert ask(arc, limit=2, data=str(copied)).n_scored == 2


def test_a_broken_file_in_the_mirror_is_an_error_that_names_it(ask, arc, copied):
    (copied / ARC / "ARC-Challenge" / "test.parquet").write_bytes(b"PAR1 is how it begins, and this is how it ends")
    with pytest.raises(BackendError, match=r"copied.allenai.ai2_arc: .*cannot be read") as caught:
        ask(arc, limit=2, data=str(copied))
    assert caught.value.slug == "data-broken"


@pytest.mark.parametrize("column", ["question", "choices", "answerKey"])
def test_a_missing_column_is_an_error_that_names_it(ask, arc, copied, records, column):
    # a prompt without its question would still be answered, and scored
    from pyarrow import parquet

    for path in (copied / ARC / "ARC-Challenge").iterdir():
        parquet.write_table(parquet.read_table(path).drop_columns([column]), path)
    with pytest.raises(BackendError, match=column) as caught:
        ask(arc, limit=2, data=str(copied))
    assert caught.value.slug == "data-broken"
    assert records == []


def test_a_mirror_without_the_test_split_is_an_error(ask, arc, copied):
    (copied / ARC / "ARC-Challenge" / "test.parquet").unlink()
    with pytest.raises(BackendError, match="data-broken"):
        ask(arc, limit=2, data=str(copied))
