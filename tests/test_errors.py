"""Lines for readers elsewhere name no folders of this machine."""

from __future__ import annotations

import pytest

from pytest_slm.errors import without_folders


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/ann/data/hub: no data set x  [data-missing]", "…/hub: no data set x  [data-missing]"),
        ("no file '/srv/models/a.gguf', nor (/opt/b/c.gguf)", "no file '…/a.gguf', nor (…/c.gguf)"),
        (r"C:\Users\ann\model.gguf: broken", "…/model.gguf: broken"),
        ("put it below /my data/hub/rows", "put it below …/rows"),  # a folder with a blank is known by its name
        # What only looks like a path, and addresses.
        ("core/math: 1/2 of bfcl/live; /no_think; https://huggingface.co/a/b/c", None),
        ("suites/rag/niah.yaml:7: unknown key", None),
        ("--slm-data=DIR or ~/hub, and and/or", None),
    ],
)
def test_of_an_absolute_path_only_the_last_part_is_told(text, told):
    assert without_folders(text, ["/my data/hub", "/", ""]) == (text if told is None else told)
    assert without_folders(without_folders(text, ["/my data/hub"])) == without_folders(text, ["/my data/hub"])


def test_a_hostile_line_takes_no_time():
    assert len(without_folders("/a" * 200_000)) < 10
    assert without_folders("/" * 100_000) == "/" * 100_000
