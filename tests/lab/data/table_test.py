import csv
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import batches, sources, splits, table, tasks
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import saved_model

HEADER = ["age", "job", "km/h", "größe (cm)", "income"]
# `job` "mason" is in test rows alone, as is the missing speed.
ROWS = [
    ["20", "cook", "1", "150", "low"],
    ["40", "cook", "2", "160", "high"],
    ["", "smith", "3", "170", "low"],
    ["60", "smith", "4", "180", "high"],
    ["80", "?", "1", "190", ""],
    ["", "cook", "1", "200", ""],
]
TEST = [["1000", "mason", "", "175", "low"], ["30", "cook", "9", "1", "high"]]
VALIDATION = [["7", "smith", "2", "155", "low"], ["8", "?", "1", "1", "high"]]


def write(path, rows, header=HEADER):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


@pytest.fixture
def files(tmp_path):
    return {
        "data_file": write(tmp_path / "train.csv", ROWS),
        "validation_file": write(tmp_path / "validation.csv", VALIDATION),
        "test_file": write(tmp_path / "test.csv", TEST),
    }


@pytest.fixture
def data(files):
    return sources.load("table", label_column="income", **files)


def task_of(data):
    return tasks.task_of(data, splits.draw(data, seed=0))


def test_sets_and_raw_rows(data):
    assert data.class_names == ("high", "low")
    assert data.train.ids.tolist() == [f"train.csv:{i}" for i in range(4)]
    assert data.train.labels.tolist() == [1, 0, 1, 0]
    assert data.unlabeled.ids.tolist() == ["train.csv:4", "train.csv:5"]
    assert data.test.ids.tolist() == ["test.csv:0", "test.csv:1"]
    found = data.test.read()
    assert found["age"].tolist() == [1000, 30]
    assert found["job"].tolist() == [b"mason", b"cook"]
    np.testing.assert_array_equal(found["km_h"], [np.nan, 9])
    assert "In names of columns, / becomes _: km/h." in data.notes
    assert "Missing values: age (2), job (1)." in data.notes


def test_encoded_rows_by_hand(data):
    """Numbers by mean and deviation of training rows; a category per value."""
    task = task_of(data)
    found = task.split.test.read()

    age = (np.array([1000, 30]) - 50) / np.std([20, 40, 60, 80])
    speed = np.array([1, 2, 3, 4, 1, 1])
    height = np.array([150, 160, 170, 180, 190, 200])
    expected = np.stack(
        [
            *(age, (np.array([175, 1]) - height.mean()) / height.std()),
            # Unknown; smith, cook, ? in the order of Keras.
            *np.array([[1, 0], [0, 0], [0, 1], [0, 0]]),
            [0, (9 - speed.mean()) / speed.std()],
            # Ages were missing in training rows; speeds were not.
            [0, 0],
        ],
        axis=-1,
    )
    # Which place is which column's does not count.
    np.testing.assert_allclose(
        np.sort(found, axis=-1), np.sort(expected, axis=-1), atol=1e-5
    )
    assert task.encoding.spec == tf.TensorSpec((8,), tf.float32)
    labeled = task.split.labeled.read()
    np.testing.assert_array_equal(labeled[:, -1], [0, 0, 1, 0])


def test_rows_are_encoded_in_the_graphs_of_streams(data):
    test = task_of(data).split.test
    streamed = np.concatenate(
        [x for (x,) in batches.inputs_alone(test, 1).as_numpy_iterator()]
    )
    np.testing.assert_allclose(streamed, test.read(), atol=1e-6)


def test_encoding_does_not_depend_on_rows_to_measure_with(files, tmp_path):
    first = task_of(sources.load("table", label_column="income", **files))
    other = [["1", "cook", "1", "1", "low"], ["2", "cook", "1", "2", "high"]]
    files["test_file"] = write(tmp_path / "other.csv", other)
    second = task_of(sources.load("table", label_column="income", **files))
    np.testing.assert_array_equal(
        first.split.labeled.read(), second.split.labeled.read()
    )


def test_half_precision_does_not_touch_inputs(data):
    expected = task_of(data).split.test.read()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        task = task_of(data)
    finally:
        keras.config.set_dtype_policy("float32")
    assert task.encoding.spec.dtype == tf.float32
    np.testing.assert_array_equal(task.split.test.read(), expected)


def test_numbers_of_one_column_are_known_to_belong_together(data):
    encoding = task_of(data).encoding

    # age, size, job and its unknown ones, speed; and whether age is missing.
    assert len(encoding.groups) == encoding.spec.shape[0]
    rows = {k: x[:1].copy() for k, x in data.train.read().items()}
    before = np.asarray(
        encoding.model(tf.nest.map_structure(tf.constant, rows))
    )
    for name, other in (
        ("age", np.nan),
        ("job", b"smith"),
        ("km_h", 4.0),
        ("größe (cm)", 3.0),
    ):
        changed = dict(rows)
        changed[name] = np.full_like(rows[name], other)
        after = np.asarray(
            encoding.model(tf.nest.map_structure(tf.constant, changed))
        )
        moved = np.array(encoding.groups)[(before != after)[0]]
        assert len(set(moved)) == 1
        assert len(moved) == {"age": 2, "job": 2}.get(name, 1)


def test_rows_are_written_in_a_line(data):
    assert data.kind.texts(data.test.read()) == [
        "age=1000, km_h=nan, größe (cm)=175, job=mason",
        "age=30, km_h=9, größe (cm)=1, job=cook",
    ]


def test_categories_beyond_the_commonest_are_unknown(data, monkeypatch):
    monkeypatch.setattr(table, "MOST_CATEGORIES", 2)
    task = task_of(data)
    assert task.encoding.spec.shape == (7,)
    assert task.encoding.notes[0] == (
        "Column job: of its texts, 1 that are rarer than 2 others count as "
        "unknown."
    )


def test_the_exported_model_takes_columns_without_this_package(data, tmp_path):
    task = task_of(data)
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    path = tmp_path / "saved"
    saved_model.write(
        network, task.encoding, data.kind, data.class_names, "softmax", path
    )
    expected = keras.ops.softmax(network(task.split.test.read()))
    program = f"""
import tensorflow as tf
served = tf.saved_model.load({str(path)!r}).signatures["serving_default"]
nan = float("nan")
numbers = {{"age": [1000, 30], "km_h": [nan, 9], "gr__e__cm_": [175, 1]}}
found = served(
    job=tf.constant(["mason", "cook"]),
    **{{k: tf.constant(x, tf.float32) for k, x in numbers.items()}},
)
print(found["probabilities"].numpy().tolist(), found["label"].numpy().tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd="/", text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    probabilities, _, labels = done.stdout.partition("]] ")
    np.testing.assert_allclose(
        eval(f"{probabilities}]]"), np.asarray(expected), rtol=1e-5
    )
    assert set(eval(labels)) <= {b"high", b"low"}


def test_rows_of_two_sets_are_left_in_one(files, tmp_path):
    # The same numbers, written in another way, and another label.
    copy = ["40.0", "cook", "2.0", "160", "low"]
    files["test_file"] = write(tmp_path / "test.csv", [*TEST, copy])
    more = [["50", "cook", "3", "111", "high"]]
    files["data_file"] = write(
        tmp_path / "train.csv", [*ROWS, *more, ROWS[0], ROWS[5]]
    )
    data = sources.load("table", label_column="income", **files)
    assert data.train.ids.tolist() == [f"train.csv:{i}" for i in (0, 2, 3, 6)]
    assert len(data.unlabeled) == 3
    assert data.notes[-2:] == (
        "Left out of the labeled rows, as copies of test rows: 1.",
        "Left out of the labeled rows, as copies of others: 1.",
    )


def test_names_that_only_a_slash_tells_apart(tmp_path):
    file = write(
        tmp_path / "a.csv",
        [["1", "2", "u"], ["2", "1", "v"], ["4", "4", "v"]],
        ["a/b", "a_b", "y"],
    )
    with pytest.raises(InputError, match=r"must differ.* got a/b"):
        sources.load("table", data_file=file, label_column="y")


def test_what_a_table_needs(files):
    with pytest.raises(InputError, match="needs --label_column"):
        sources.load("table", **files)


@pytest.mark.parametrize(
    ("value", "told"), [("0", "always 0"), ("", "never known")]
)
def test_a_column_whose_one_other_value_is_held_out(value, told, tmp_path):
    """It is not infinitely far from those that are trained on."""
    rows = [[str(i * i % 7), value, "ab"[i % 2]] for i in range(40)]
    rows[3][1] = "3"
    path = write(tmp_path / "a.csv", rows, ["x", "odd", "label"])
    data = sources.load("table", label_column="label", data_file=path)
    for seed in range(100):
        split = splits.draw(data, num_labeled=10, seed=seed)
        if 3 in split.test.read()["odd"]:
            break
    task = tasks.task_of(data, split)
    x = np.concatenate([task.split.labeled.read(), task.split.test.read()])
    assert np.abs(x).max() < 10
    assert (
        f"Column odd: in the rows that are trained on, {told}."
        in task.encoding.notes
    )
