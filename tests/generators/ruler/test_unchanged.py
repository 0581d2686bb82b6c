"""The samples are those of the version of the tasks, byte for byte: what makes them faster changes none."""

import hashlib
import json

import pytest

HASHES = {
    "cwe": "33dba09a67f65765",
    "fwe": "9fe412c2a16a440d",
    "niah_multikey_1": "a11f7a43734adc5a",
    "niah_multikey_2": "acc47e607dbffe4b",
    "niah_multikey_3": "b324f42444cee194",
    "niah_multiquery": "564b38d43fcff07a",
    "niah_multivalue": "894027b507bb13a7",
    "niah_single_1": "42ea0174c4d6257e",
    "niah_single_2": "5977fc0d5e53556c",
    "niah_single_3": "214aec10a5fed38d",
    "qa_1": "fb7d176ecaef7b07",
    "qa_2": "11caeeb59b1d69d2",
    "vt": "68babe791f3ef2da",
}


@pytest.mark.parametrize("name", HASHES)
def test_samples_are_the_same_to_the_last_byte(name, made):
    digest = hashlib.sha256()
    for tokens in (1024, 4096):
        for sample in made(name, tokens, 4, seed=7, count="quarters"):
            digest.update(json.dumps(sample.to_json(), sort_keys=True).encode())
    assert digest.hexdigest()[:16] == HASHES[name], "other samples: raise the version of the task"


def test_every_task_is_held(names):
    assert list(HASHES) == list(names)
