"""The tokenizer: transformers loads it, one token a word, BERT's layout."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from stabbench.mini.edits import entailed
from stabbench.mini.language import Dice, draw
from stabbench.mini.tokenizer import LONGEST_INPUT, save_tokenizer, vocabulary


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return AutoTokenizer.from_pretrained(folder)


@given(seed=st.integers(0, 2**32))
def test_a_pair_is_one_token_a_word_between_special_tokens(tokenizer, seed):
    dice = Dice(seed)
    first = draw(dice)
    second = entailed(dice, first)
    ids = vocabulary()
    found = tokenizer(first.text, second.text)
    a, b = ([ids[word] for word in clause.words()] for clause in (first, second))
    assert found["input_ids"] == [ids["[CLS]"], *a, ids["[SEP]"], *b, ids["[SEP]"]]
    assert found["token_type_ids"] == [0] * (len(a) + 2) + [1] * (len(b) + 1)
    assert len(found["input_ids"]) <= LONGEST_INPUT
    assert tokenizer.decode(found["input_ids"], skip_special_tokens=True) == f"{first.text} {second.text}"


def test_an_unknown_word_is_unknown_and_nothing_else(tokenizer):
    ids = vocabulary()
    assert tokenizer("the zebra")["input_ids"] == [ids["[CLS]"], ids["the"], ids["[UNK]"], ids["[SEP]"]]
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (0, ids["[MASK]"])
    assert len(tokenizer) == len(ids)
