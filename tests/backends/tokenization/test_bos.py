"""BOS stands once before a pair, and EOS never behind what shall be continued."""

import shutil

import pytest

from pytest_slm.prompts.pairs import split_pair


def test_eos_is_not_put_behind_what_shall_be_continued(model, bos_file, plain, opened, tmp_path):
    path = tmp_path / "eos.gguf"
    shutil.copyfile(bos_file, path)
    with path.open("r+b") as file:
        file.seek(file.read(1 << 16).index(b"add_bos_token"))
        file.write(b"add_eos_token")
    with opened(path) as adding:
        assert adding.tokenize("Hello", add_special=True, parse_special=False) == plain(model, "Hello")
        assert split_pair(adding, "Hello wor", "ld") == split_pair(model, "Hello wor", "ld")
    path.unlink()


@pytest.mark.parametrize(
    "pair", [("", "x"), (" ", "x"), ("a ", "b"), ("Q: 2 + 2\nA:", " 4"), ("<|im_start|> spelled", " out")]
)
def test_pairs_have_bos_once_as_in_hflm(with_bos, literal_with_bos, im_start, hflm, pair):
    from lm_eval.api.instance import Instance

    lm = hflm(literal_with_bos)
    lm.loglikelihood([Instance("loglikelihood", {}, pair, 0)], True)
    ours = split_pair(with_bos, *pair)
    assert [*ours[0], *ours[1]].count(im_start) == 1
    if pair[0].startswith("<|im_start|>"):  # HFLM takes the spelling for the token and adds none
        assert (ours[0][1:], ours[1]) == lm.asked[0]
    else:
        assert [ours] == lm.asked
