import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl

SCORES = np.array([[0.0, 2.0, -1.0], [3.0, 0.0, 0.5]], np.float32)
NAMES = ["cat", "a dog,\tor $wolf", "<b>ü</b>"]


def _passing(width, activation="linear", dtype="float32"):
    """A classifier whose scores are its inputs."""
    return keras.Sequential(
        [keras.Input((width,)), keras.layers.Activation(activation)]
    )


def _softmax(x):
    x = np.exp(x.astype(np.float64))
    return x / x.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("activation", ["linear", "softmax"])
def test_probabilities_label_and_confidence(activation):
    model = tpl.serving.with_labels(_passing(3, activation), NAMES)
    for answer in (model(SCORES), tf.function(model)(SCORES)):
        p = _softmax(SCORES)
        np.testing.assert_allclose(answer["probabilities"], p, rtol=1e-6)
        np.testing.assert_allclose(answer["confidence"], p.max(axis=1), 1e-6)
        labels = [label.decode() for label in answer["label"].numpy()]
        assert labels == [NAMES[1], NAMES[0]]


@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
def test_one_score_is_that_of_the_second_name(activation):
    model = tpl.serving.with_labels(_passing(1, activation), ["no", "yes"])
    answer = model(np.array([[2.0], [-3.0]], np.float32))
    p = 1 / (1 + np.exp([-2.0, 3.0]))
    np.testing.assert_allclose(
        answer["probabilities"], np.stack([1 - p, p], axis=1), rtol=1e-5
    )
    assert answer["label"].numpy().tolist() == [b"yes", b"no"]


def test_questions_of_their_own_have_probabilities_of_their_own():
    model = tpl.serving.with_labels(_passing(3), NAMES, output="sigmoid")
    found = model(SCORES)["probabilities"]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-SCORES)), rtol=1e-6)


def test_positions_are_answered_one_by_one():
    model = tpl.serving.with_labels(
        keras.Sequential([keras.Input((2, 3)), keras.layers.ReLU()]), NAMES
    )
    answer = model(np.stack([SCORES, SCORES[::-1]]))
    assert answer["label"].shape == (2, 2)
    assert answer["probabilities"].shape == (2, 2, 3)


def test_raw_inputs_are_prepared_and_saved_with_it(tmp_path):
    word = keras.Input((), dtype="string", name="word")
    size = keras.Input((1,), name="size")
    looked_up = keras.layers.StringLookup(
        vocabulary=["big", "small"], output_mode="one_hot", num_oov_indices=0
    )(word)
    prepared = keras.Model(
        {"word": word, "size": size},
        keras.layers.Concatenate()([looked_up, size]),
    )
    model = tpl.serving.with_labels(_passing(3), NAMES, prepared)
    raw = {
        "word": tf.constant(["small", "big"]),
        "size": tf.constant([[0.5], [7.0]]),
    }
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for answer in (model(raw), loaded(raw)):
        np.testing.assert_allclose(
            answer["probabilities"],
            _softmax(np.array([[0, 1, 0.5], [1, 0, 7]])),
            rtol=1e-6,
        )


def test_exported_it_needs_tensorflow_alone(tmp_path):
    model = tpl.serving.with_labels(_passing(3), NAMES)
    model.export(tmp_path / "saved", verbose=False)
    program = (
        "import sys, tensorflow as tf\n"
        "model = tf.saved_model.load(sys.argv[1])\n"
        "answer = model.signatures['serving_default'](\n"
        "    tf.constant([[0.0, 0.0, 9.0]]))\n"
        "assert 'tf_pseudolabel' not in sys.modules\n"
        "print(ascii(answer['label'].numpy()[0].decode()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, tmp_path / "saved"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ascii(NAMES[2])


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a", "b"], "got 2 names for scores"),
        (["a", "a", "b"], "each another"),
        (["a"], "two classes or more"),
        ({0: "a", 1: "b", 2: "c"}, "in the order of the scores; got"),
        ("abc", "in the order of the scores; got 'abc'"),
    ],
)
def test_names_must_fit(names, problem):
    with pytest.raises(ValueError, match=problem):
        tpl.serving.with_labels(_passing(3), names)


@pytest.mark.parametrize(
    "names",
    [
        np.array([b"a", b"b", b"c"]),
        tf.constant(["a", "b", "c"]),
        np.array(["a", "b", "c"], object),
        tf.unstack(tf.constant(["a", "b", "c"])),
    ],
    ids=["bytes", "tensor", "objects", "tensors"],
)
def test_names_of_any_kind_are_strings(names):
    model = tpl.serving.with_labels(_passing(3), names)

    assert model(np.eye(3, dtype=np.float32))["label"].numpy().tolist() == [
        b"a",
        b"b",
        b"c",
    ]


def test_a_model_must_know_its_inputs():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"got Own without keras\.Input"):
        tpl.serving.with_labels(Own(), NAMES)


def test_outputs_have_names():
    with pytest.raises(ValueError, match=r"sigmoid, probabilities; got 'tanh'"):
        tpl.serving.with_labels(_passing(3), NAMES, output="tanh")


def test_a_policy_in_force_does_not_round_the_scores():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        classifier = keras.Sequential(
            [keras.Input((3,)), keras.layers.ReLU(dtype="float32")]
        )
        model = tpl.serving.with_labels(classifier, NAMES)
    finally:
        keras.config.set_dtype_policy(before)
    scores = np.float32([[1.001, 1.002, 1.003]])
    found = model(scores)
    assert (
        found["probabilities"].dtype == found["confidence"].dtype == "float32"
    )
    np.testing.assert_allclose(found["probabilities"], _softmax(scores), 1e-6)


@pytest.mark.parametrize(
    ("activation", "output", "then"),
    [
        ({"activation": "softmax", "dtype": "mixed_float16"}, "softmax", []),
        ({"activation": "softmax", "dtype": "float64"}, "softmax", []),
        (
            {"activation": "softmax"},
            "probabilities",
            [keras.layers.Reshape((3,))],
        ),
    ],
    ids=["mixed_float16", "float64", "another layer after it"],
)
def test_probabilities_stay_what_they_are(activation, output, then):
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, **activation), *then]
    )
    x = np.array([[1.0, 2.0], [-3.0, 0.5]], "float32")

    model = tpl.serving.with_labels(classifier, ["a", "b", "c"], output=output)

    for answer in (model(x), model.predict(x, verbose=0)):
        np.testing.assert_allclose(
            answer["probabilities"], classifier(x), rtol=1e-3
        )


def test_a_binary_label_is_not_flipped_in_half_precision():
    dense = keras.layers.Dense(1, "sigmoid", dtype="mixed_float16")
    classifier = keras.Sequential([keras.Input((2,)), dense])
    dense.set_weights([np.ones((2, 1)), np.zeros(1)])
    x = np.array([[-1.0, -1.6]], "float32")

    answer = tpl.serving.with_labels(classifier, ["no", "yes"])(x)

    assert answer["label"].numpy() == [b"no"]
    assert float(answer["confidence"][0]) == pytest.approx(0.931, abs=2e-3)


@pytest.mark.parametrize("activation", [tf.nn.softmax, tf.nn.sigmoid])
def test_an_activation_of_tensorflow_is_seen_eagerly_too(activation):
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, activation)]
    )
    output = "softmax" if activation is tf.nn.softmax else "sigmoid"
    names = ["a", "b", "c"]
    model = tpl.serving.with_labels(classifier, names, None, output)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")

    expected = classifier(x)

    for said in (model(x), model.predict(x, verbose=0)):
        np.testing.assert_allclose(said["probabilities"], expected, rtol=1e-6)
