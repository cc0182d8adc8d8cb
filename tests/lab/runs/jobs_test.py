import dataclasses
import json
import types

import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import digits
from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import jobs, results


@pytest.mark.parametrize(
    ("replicas", "rows", "lowered"),
    [(1, 7, {"labeled_batch": 7}), (2, 7, {"labeled_batch": 6}), (8, 7, {})],
)
def test_lowered_batches_are_shared_by_replicas(
    replicas, rows, lowered, tiny_recipe
):
    split = types.SimpleNamespace(labeled=range(rows), unlabeled=range(999))
    strategy = types.SimpleNamespace(num_replicas_in_sync=replicas)
    names = ("labeled_batch", "unlabeled_batch")
    found = jobs._lowered(tiny_recipe, split, strategy, names)
    assert found == lowered
    assert jobs._lowered(tiny_recipe, split, strategy, names[1:]) == {}


def test_ones_own_data_are_held_out_in_proportion(tiny_recipe):
    recipe = dataclasses.replace(
        tiny_recipe,
        dataset="folders",
        num_labeled=None,
        num_unlabeled=None,
        num_validation=None,
        num_test=None,
    )
    rows = np.arange(72)
    train = Examples(
        np.zeros((72, 1, 1, 1), np.uint8),
        (rows >= 60).astype(np.int64),
        np.array([f"a/{row}" for row in rows]),
    )
    bag = dataclasses.replace(train, ids=np.char.add("b", train.ids))
    data = Data(train, None, bag, ("common", "rare"), Images())
    split = jobs.draw_split(recipe, data)
    for name, counts in (
        ("labeled", [42, 9]),
        ("validation", [6, 1]),
        ("test", [12, 2]),
    ):
        labels = getattr(split, name).labels
        assert np.bincount(labels).tolist() == counts
    recipe = dataclasses.replace(recipe, num_labeled=12, split="stratified")
    labels = jobs.draw_split(recipe, data).labeled.labels
    assert np.bincount(labels).tolist() == [10, 2]


def test_ids_of_a_file_are_taken_and_the_others_drawn(tiny_recipe, tmp_path):
    path = tmp_path / "ids.json"
    recipe = dataclasses.replace(
        tiny_recipe, split_file=str(path), num_test=None
    )
    ids = {"test": ["digits/1796", "digits/1300"]}
    path.write_text(json.dumps(ids))
    split = jobs.draw_split(recipe, digits.load())
    assert split.test.ids.tolist() == ids["test"]
    assert len(split.labeled) == tiny_recipe.num_labeled
    path.write_text('{"test": ["digits/2000"]}')
    with pytest.raises(InputError, match=r"ids\.json: .* got digits/2000"):
        jobs.draw_split(recipe, digits.load())
    path.write_text('{"test": ')
    with pytest.raises(InputError, match=r"JSON file of ids by set; got: Exp"):
        jobs.draw_split(recipe, digits.load())


def test_batches_that_divide_fit_a_tpu(tiny_recipe):
    recipe = dataclasses.replace(
        tiny_recipe, strategy="tpu", labeled_batch=25, unlabeled_batch=50
    )
    split = jobs.draw_split(recipe, results.load_data(recipe))
    jobs._check_batches(recipe, split, tf.distribute.get_strategy())


@pytest.mark.parametrize(
    "changes",
    [
        {"t1": 2.0, "t2": 900.0},
        {"t1": 3.0, "t2": 3.0},
        {"alpha_f": 0.0, "t1": 900.0, "t2": 900.0},
        {"stream": "alternating", "unlabeled_batches": 1, "t1": 8, "t2": 40},
    ],
)
def test_an_alpha_that_rises_or_is_none_on_purpose(changes, tiny_recipe):
    recipe = dataclasses.replace(tiny_recipe, **changes)
    split = jobs.draw_split(recipe, results.load_data(recipe))
    jobs._check_alpha(recipe, split)


def test_rows_of_whole_numbers_have_no_views():
    kind = types.SimpleNamespace(views=lambda spec: None)
    train = types.SimpleNamespace(spec=tf.TensorSpec((3,), tf.int64))
    data = types.SimpleNamespace(kind=kind, train=train)
    with pytest.raises(InputError, match="is for images, texts, tables and"):
        jobs._views_of(data)
