"""Datasets that Keras makes of directories are streams as they are."""

import wave

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl

CLASSES = ["cat", "dog"]
PER_CLASS = 3
SIDE, SAMPLES = 6, 16


def _write_image(path, number):
    pixels = np.full((SIDE, SIDE, 3), 20 * number, "uint8")
    path.with_suffix(".png").write_bytes(tf.io.encode_png(pixels).numpy())


def _write_text(path, number):
    path.with_suffix(".txt").write_text(f"word{number} and another")


def _write_audio(path, number):
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.full(SAMPLES, 900 * number, "int16").tobytes())


def _of_texts():
    words = keras.layers.TextVectorization(
        output_mode="multi_hot", vocabulary=["word0", "word1", "and"]
    )
    return keras.Sequential([words, keras.layers.Dense(2)])


def _of_images():
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])


def _of_sounds():
    """Of which Keras' dataset does not say how many channels they have."""
    sound = keras.Input((SAMPLES, 1))
    return keras.Sequential([sound, *_of_images().layers])


KINDS = {
    "images": (
        _write_image,
        keras.utils.image_dataset_from_directory,
        {"image_size": (SIDE, SIDE)},
        _of_images,
    ),
    "texts": (
        _write_text,
        keras.utils.text_dataset_from_directory,
        {},
        _of_texts,
    ),
    "audio": (
        _write_audio,
        keras.utils.audio_dataset_from_directory,
        {"output_sequence_length": SAMPLES},
        _of_sounds,
    ),
}
LOSSES = {
    "int": keras.losses.SparseCategoricalCrossentropy,
    "categorical": keras.losses.CategoricalCrossentropy,
    # Float ids in a column; two outputs.
    "binary": keras.losses.SparseCategoricalCrossentropy,
}


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    """A writer's files in a directory, and what Keras reads them with."""
    write, read, options, classifier = KINDS[request.param]
    for number, name in enumerate(CLASSES):
        (tmp_path / name).mkdir()
        for file in range(PER_CLASS):
            write(tmp_path / name / str(file), 2 * file + number)

    def dataset(**changes):
        return read(tmp_path, **{**options, "verbose": False, **changes})

    return dataset, classifier


def _fit(classifier, loss, stream):
    model = tpl.PseudoLabelModel(classifier())
    model.compile("sgd", loss(from_logits=True), metrics=["accuracy"])
    model.alpha.assign(1.0)
    return model.fit(stream, verbose=0).history


@pytest.mark.parametrize("mode", LOSSES)
def test_they_are_merged_as_they_are(mode, kind):
    dataset, classifier = kind
    labeled = dataset(label_mode=mode, batch_size=2, seed=0)
    unlabeled = dataset(labels=None, label_mode=None, batch_size=4, seed=0)
    logs = _fit(classifier, LOSSES[mode], tpl.merge_streams(labeled, unlabeled))

    assert labeled.class_names == CLASSES
    assert np.isfinite(logs["loss"]).all()
    assert logs["unlabeled_loss"][0] > 0
    assert "pseudo_label_accuracy" not in logs


@pytest.mark.parametrize("mode", LOSSES)
def test_labels_of_the_unlabeled_files_are_measured_with(mode, kind):
    dataset, classifier = kind
    both = [dataset(label_mode=mode, batch_size=2, seed=0) for _ in range(2)]
    logs = _fit(classifier, LOSSES[mode], tpl.merge_streams(*both))

    assert 0 <= logs["pseudo_label_accuracy"][0] <= 1


def test_files_of_which_some_are_labeled(kind):
    dataset, classifier = kind
    ids = [0, -1, 1, -1, -1, 0]  # In the order of the files.
    partly = dataset(labels=ids, label_mode="int", batch_size=2, shuffle=False)
    labeled, unlabeled = tpl.split_partially_labeled(partly, 2, 3)

    assert [list(y.numpy()) for _, y in labeled] == [[0, 1], [0]]
    assert [len(x) for (x,) in unlabeled] == [3]
    stream = tpl.merge_streams(labeled, unlabeled)
    assert np.isfinite(_fit(classifier, LOSSES["int"], stream)["loss"][0])
