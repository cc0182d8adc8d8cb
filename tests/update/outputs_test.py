import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import X_U, X, Y, linear, model_of, passed, softmax
from tf_pseudolabel import SummedBinaryCrossentropy, Threshold
from tf_pseudolabel.losses.rows import as_loss
from tf_pseudolabel.update.outputs import is_per_class, outputs

LOGITS = np.array([[0.0, 2.0, -1.0], [-3.0, 0.5, 4.0]], "float32")
SOFTMAX = softmax(LOGITS)
SIGMOID = 1 / (1 + np.exp(-LOGITS))
PER_CLASS = [
    SummedBinaryCrossentropy,
    keras.losses.BinaryCrossentropy,
    keras.losses.BinaryFocalCrossentropy,
]
ONE_CHOICE = [
    keras.losses.CategoricalCrossentropy,
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
]


def _ones_own(y, scores):
    return tf.reduce_sum((y - scores) ** 2, axis=-1)


def _probabilities(scores, loss, activated=False):
    return outputs(tf.constant(scores), loss, activated).probabilities


@pytest.mark.parametrize("loss", [*PER_CLASS, lambda **_: as_loss(_ones_own)])
@pytest.mark.parametrize("activated", [False, True])
def test_questions_have_two_classes_no_and_yes(loss, activated):
    scores = tf.constant(SIGMOID if activated else LOGITS)
    found = outputs(scores, loss(from_logits=True), activated, questions=True)
    expected = np.stack([1 - SIGMOID, SIGMOID], axis=-1)

    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-5)
    np.testing.assert_allclose(found.logarithms, np.log(expected), rtol=1e-4)


def test_logarithms_of_sure_answers_are_finite():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    found = outputs(tf.constant([[90.0, -90.0]]), loss, False, True)

    np.testing.assert_allclose(found.logarithms, [[[-90, 0], [0, -90]]])


@pytest.mark.parametrize("loss", ONE_CHOICE)
def test_logits_of_one_choice_among_classes_go_through_softmax(loss):
    found = _probabilities(LOGITS, loss(from_logits=True))

    np.testing.assert_allclose(found, SOFTMAX, rtol=1e-5)


@pytest.mark.parametrize("loss", PER_CLASS)
def test_logits_of_one_question_per_class_go_through_sigmoid(loss):
    found = _probabilities(LOGITS, loss(from_logits=True))

    np.testing.assert_allclose(found, SIGMOID, rtol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.CategoricalCrossentropy(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=False),
        SummedBinaryCrossentropy(),
        # Without `from_logits`, by class and by name:
        keras.losses.MeanSquaredError(),
        keras.losses.KLDivergence(),
        as_loss("mean_squared_error"),
        as_loss("kl_divergence"),
        as_loss("categorical_crossentropy"),
        as_loss(keras.losses.sparse_categorical_crossentropy),
    ],
    ids=lambda loss: loss.name,
)
def test_what_a_loss_says_are_probabilities_stays_as_it_is(loss):
    np.testing.assert_array_equal(_probabilities(SOFTMAX, loss), SOFTMAX)


def test_a_function_of_ones_own_is_given_logits_where_nothing_activates():
    loss = as_loss(_ones_own)

    np.testing.assert_allclose(_probabilities(LOGITS, loss), SOFTMAX, rtol=1e-5)
    np.testing.assert_array_equal(
        _probabilities(SOFTMAX, loss, activated=True), SOFTMAX
    )


@pytest.mark.parametrize("loss", [*ONE_CHOICE, *PER_CLASS])
def test_what_the_network_activated_stays_whatever_the_loss_says(loss):
    """Keras' losses correct themselves, and warn."""
    found = _probabilities(SOFTMAX, loss(from_logits=True), activated=True)

    np.testing.assert_array_equal(found, SOFTMAX)


def test_probabilities_are_single_precision():
    """0.95 and 0.953 are one number in bfloat16."""
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    found = outputs(tf.constant(LOGITS, tf.bfloat16), loss, False)

    assert found.probabilities.dtype == found.logarithms.dtype == tf.float32
    np.testing.assert_allclose(found.probabilities, SOFTMAX, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(ONE_CHOICE[0], [0, -200, -400]), (PER_CLASS[0], [0, -100, -300])],
)
def test_logarithms_of_logits_do_not_round_to_infinity(loss, expected):
    scores = tf.constant([[100.0, -100.0, -300.0]])
    found = outputs(scores, loss(from_logits=True), False)

    np.testing.assert_allclose(found.logarithms, [expected], atol=1e-6)


def test_logarithms_of_probabilities_are_finite():
    loss = keras.losses.CategoricalCrossentropy()
    found = outputs(tf.constant([[1.0, 0.5, 0.0]]), loss, False)

    np.testing.assert_allclose(
        found.logarithms, [[0, np.log(0.5), np.log(1e-12)]], rtol=1e-6
    )


def test_gradients_flow_through_the_scores():
    scores = tf.Variable(LOGITS)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        first = outputs(scores, loss, False).probabilities[0, 0]
    gradient = tape.gradient(first, scores)

    # The derivative of p_0 by the logits is p_0 (e_0 - p).
    p = SOFTMAX[0]
    expected = [p[0] * (np.eye(3)[0] - p), np.zeros(3)]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("loss", [*ONE_CHOICE, *PER_CLASS])
def test_which_losses_are_per_class(loss):
    assert is_per_class(loss()) is (loss in PER_CLASS)


@pytest.mark.parametrize(
    "name", ["binary_crossentropy", "bce", "binary_focal_crossentropy"]
)
def test_a_loss_by_name_is_per_class_as_its_class_is(name):
    assert is_per_class(as_loss(name))
    assert not is_per_class(as_loss("categorical_crossentropy"))


# From networks, eagerly and in a graph.


def _networks():
    plain = linear()
    kernel, bias = plain.get_weights()
    for activation in (None, "softmax"):
        network = linear(activation)
        network.set_weights([kernel, bias])
        yield network
    layered = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Softmax()]
    )
    layered.set_weights([kernel, bias])
    yield layered


@pytest.mark.parametrize(
    ("batch_norm", "traced"), [("separate", False), ("joint", True)]
)
def test_softmax_networks_are_known_whatever_the_loss_says(batch_norm, traced):
    """And a function on logits is not taken for one on probabilities."""

    def ones_own(y, scores):
        y = tf.one_hot(tf.cast(y, tf.int32), 3)
        return tf.reduce_sum((y - scores) ** 2, axis=-1)

    sparse = keras.losses.SparseCategoricalCrossentropy
    for network in _networks():
        expected = network(X_U).numpy()
        if expected.sum() != pytest.approx(12):
            expected = softmax(expected)
        for loss in (sparse(from_logits=True), ones_own):
            model = model_of(
                network,
                loss,
                batch_norm=batch_norm,
                selection=Threshold(0.7),
            )

            def update(model=model):
                beliefs = passed(model).beliefs
                return beliefs.probabilities, beliefs.weight

            found, weight = (tf.function(update) if traced else update)()
            np.testing.assert_allclose(found, expected, rtol=1e-5)
            np.testing.assert_array_equal(weight, expected.max(axis=-1) >= 0.7)


def test_the_inputs_of_the_labeled_stream_do_not_matter():
    first, second = (passed(model_of(), (x, Y)) for x in (X, -X))

    np.testing.assert_array_equal(
        first.beliefs.probabilities, second.beliefs.probabilities
    )
