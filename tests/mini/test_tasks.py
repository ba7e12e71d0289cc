"""The mini tasks: disjoint splits, exact shares, and no label that a shallow look gives away."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from stabbench import metrics, tasks
from stabbench.mini.language import Dice
from stabbench.mini.tasks import GENERATORS
from stabbench.mini.tokenizer import vocabulary
from stabbench.tasks.loading import load
from stabbench.workshop.corpus import written

NAMES = sorted(GENERATORS)
DIGESTS = {
    "mini-cola": "18bf19c5cb3925d9081431a5a9a297f6d1da1898f702a694a8814039c57cbf60",
    "mini-mrpc": "327cd2370aee3f0af8aacc634de77e8d123bbdb754f6abf7f63c46f120b18cc5",
    "mini-rte": "4095329f53599a1de21016b48e99566a877d372eefd5c756cc5637f7462eac9a",
}
CONSTANT = {"mini-cola": 0.0, "mini-rte": 156 / 300, "mini-mrpc": 2 * 165 / (2 * 165 + 135)}


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def rows(name):
    return GENERATORS[name].rows()


def test_the_rows_are_the_same_on_every_machine(name, rows):
    text = "\n".join("\t".join((*texts, str(int(yes)))) for split in rows for texts, yes in split)
    assert hashlib.sha256(text.encode()).hexdigest() == DIGESTS[name]


def test_train_and_dev_share_no_sentence_and_no_row_comes_twice(rows):
    train, dev = rows
    firsts = [texts[0] for texts, _ in train + dev]
    if len(train[0][0]) == 2:
        assert len(set(firsts)) == len(firsts)
    assert len({texts for texts, _ in train + dev}) == len(train) + len(dev)
    assert not {texts for texts, _ in train} & {texts for texts, _ in dev}


def test_pre_training_opens_with_none_of_the_sentences(rows):
    seen = {first.text for first, _, _ in written(Dice(0), 20_000)}
    acceptable = {texts[0] for split in rows for texts, yes in split if yes or len(texts) == 2}
    assert not seen & acceptable


def test_every_word_is_in_the_vocabulary(rows):
    known = vocabulary()
    assert all(
        word in known for split in rows for texts, _ in split for text in texts for word in text.split()
    )


def test_the_shares_of_the_labels_are_exact(name, rows):
    for split, count in zip(rows, (GENERATORS[name].train, GENERATORS[name].dev), strict=True):
        assert len(split) == count
        assert sum(yes for _, yes in split) == round(count * GENERATORS[name].positive / 100)


@pytest.fixture(scope="module")
def many(name):
    """Thousands of rows of the same kind: chance is then within two points."""
    return replace(GENERATORS[name], train=2500, dev=2500).rows()


def _accuracy(features, rows, strength):
    train, dev = (np.asarray(part) for part in features)
    labels = [[yes for _, yes in split] for split in rows]
    model = LogisticRegression(C=strength, max_iter=5000).fit(train, labels[0])
    return float((model.predict(dev) == np.array(labels[1])).mean())


def _majority(rows):
    share = np.mean([yes for _, yes in rows[1]])
    return max(share, 1 - share)


@pytest.mark.parametrize("strength", [0.01, 0.1, 1.0])
def test_no_single_word_tells_the_label(many, strength):
    texts = [[" ".join(texts) for texts, _ in split] for split in many]
    bags = CountVectorizer(token_pattern=r"\S+").fit(texts[0])
    found = _accuracy([bags.transform(part).toarray() for part in texts], many, strength)
    assert found <= _majority(many) + 0.04


def test_no_word_of_the_second_sentence_tells_the_label(many):
    if len(many[0][0][0]) == 1:
        return
    texts = [[texts[1] for texts, _ in split] for split in many]
    bags = CountVectorizer(token_pattern=r"\S+").fit(texts[0])
    assert _accuracy([bags.transform(part).toarray() for part in texts], many, 0.1) <= _majority(many) + 0.04


def test_no_length_tells_the_label(many):
    lengths = [[[len(text.split()) for text in texts] for texts, _ in split] for split in many]
    assert _accuracy(lengths, many, 1.0) <= _majority(many) + 0.04


def test_a_task_loads_with_its_labels_and_its_published_constant(name, rows):
    task = tasks.get(name)
    data = load(task)
    yes = task.source.yes
    assert data.dev.texts == tuple(texts for texts, _ in rows[1])
    assert [label == yes for label in data.dev.labels] == [flag for _, flag in rows[1]]
    constant = metrics.for_classifiers(task.metric).constant(np.bincount(data.dev.labels).tolist())
    assert constant == pytest.approx(CONSTANT[name], abs=1e-12)
