import csv
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import batches, sources, splits, tasks, text
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import saved_model

ROWS = [
    ["my card, lost!", "card"],
    ["the loan\nof my card", "loan"],
    ["card or loan", "loan"],
    ["card card card", "card"],
    ["where is my card", ""],
]
TEST = [["is my CARD gone", "card"], ["Loan?", "loan"]]
VALIDATION = [["no card", "card"], ["no loan", "loan"]]


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "class"], *rows])
    return str(path)


@pytest.fixture
def files(tmp_path):
    return {
        "data_file": write(tmp_path / "train.csv", ROWS),
        "validation_file": write(tmp_path / "validation.csv", VALIDATION),
        "test_file": write(tmp_path / "test.csv", TEST),
    }


def load(files, **fields):
    columns = {"text_column": "text", "label_column": "class"}
    return sources.load("text", **columns, **files, **fields)


def task_of(data):
    return tasks.task_of(data, splits.draw(data, seed=0))


def test_sets_and_raw_rows(files):
    data = load(files)
    assert data.class_names == ("card", "loan")
    assert data.train.ids.tolist() == [f"train.csv:{i}" for i in range(4)]
    assert data.unlabeled.ids.tolist() == ["train.csv:4"]
    assert data.train.spec == tf.TensorSpec((), tf.string)
    assert data.kind.texts(data.train.read())[1] == "the loan of my card"


def test_encoded_rows_by_hand(files):
    """Words of training rows by their number; 1 is unknown, 0 is padding."""
    task = task_of(load(files))
    # card 7, my 3, loan 2; the others once each, of which Keras takes the
    # last of the alphabet first.
    words = ["", "?", "card", "my", "loan"]
    words += ["where", "the", "or", "of", "lost", "is"]
    expected = [["is", "my", "card", "?", ""], ["loan", "", "", "", ""]]
    found = task.split.test.read()
    np.testing.assert_array_equal(
        found, [[words.index(x) for x in row] for row in expected]
    )
    assert task.encoding.spec == tf.TensorSpec((5,), tf.int64)
    assert task.encoding.options == {"vocabulary_size": len(words)}
    assert task.encoding.notes == (
        "Texts: 5 words of 9 are read.",
        "Rows are encoded once and kept in memory (0 MB).",
    )


def test_rows_are_encoded_in_the_graphs_of_streams(files):
    test = task_of(load(files)).split.test
    (streamed,) = next(iter(batches.inputs_alone(test, 2)))
    np.testing.assert_array_equal(streamed, test.read())


def test_what_is_cut_is_said(files):
    task = task_of(load(files, text_length=3, vocabulary_size=4))
    assert task.split.test.read().tolist() == [[1, 3, 2], [1, 0, 0]]
    assert task.encoding.options == {"vocabulary_size": 4}
    assert task.encoding.notes[0] == (
        "Texts: 3 words of 2 are read; 2 of 5 training texts are cut."
    )


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([*range(1, 101)], 95),
        ([3], 3),
        ([0, 0], 1),
        ([1000] * 20, 256),
        ([5] * 19 + [900], 5),
    ],
)
def test_the_length_of_most_texts(lengths, expected):
    assert text._length(np.array(lengths)) == expected


def test_the_same_words_in_two_sets(files, tmp_path):
    rows = [*ROWS, ["Is  my card\ngone", "loan"], ["CARD card card", "card"]]
    files["data_file"] = write(tmp_path / "train.csv", rows)
    data = load(files)
    assert data.train.ids.tolist() == [f"train.csv:{i}" for i in range(4)]
    assert data.notes == (
        "Left out of the labeled texts, as copies of test texts: 1.",
        "Left out of the labeled texts, as copies of others: 1.",
    )


def test_texts_of_folders(tmp_path):
    for number, (words, label) in enumerate(ROWS[:4]):
        path = tmp_path / "labeled" / label / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words)
    data = sources.load("text", labeled_dir=str(tmp_path / "labeled"))
    assert data.train.ids.tolist()[0] == "labeled/card/0.txt"
    assert data.class_names == ("card", "loan")


def test_the_exported_model_takes_strings_without_this_package(files, tmp_path):
    data = load(files)
    task = task_of(data)
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((5,), dtype="int64"),
            keras.layers.Embedding(11, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    path = tmp_path / "saved"
    saved_model.write(
        network, task.encoding, data.kind, data.class_names, "softmax", path
    )
    expected = keras.ops.softmax(network(task.split.test.read()))
    program = f"""
import tensorflow as tf
served = tf.saved_model.load({str(path)!r}).signatures["serving_default"]
found = served(text=tf.constant(["is my CARD gone", "Loan?"]))
print(found["probabilities"].numpy().tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd="/", text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(
        eval(done.stdout), np.asarray(expected), rtol=1e-5
    )


def test_an_empty_text_is_named(files, tmp_path):
    files["test_file"] = write(tmp_path / "test.csv", [*TEST, [" \n", "card"]])
    with pytest.raises(
        InputError, match=r"not be empty; got test\.csv:2 and 0"
    ):
        load(files)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data_file": "a.csv"},
        {"data_file": "a.csv", "text_column": "text"},
        {"test_file": "a.csv", "text_column": "a", "label_column": "b"},
        {"labeled_dir": "a", "text_column": "text"},
        {"labeled_dir": "a", "test_file": "b.csv"},
        {"unlabeled_dir": "a"},
    ],
)
def test_files_or_folders(fields):
    with pytest.raises(InputError, match="are either in files, with --data_f"):
        sources.load("text", **fields)
