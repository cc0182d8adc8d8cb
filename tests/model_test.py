"""One update by hand, invariants, figures, and what `fit` refuses.

Eagerly, as far as nothing else is said: that other ways to run an update come
to the same is tested in `model/structures_test.py`.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import model_of, streams

CLASSES = 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 4)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2, 2, 1])
X_U = RNG.normal(size=(24, 4)).astype("float32")
Y_U = RNG.integers(CLASSES, size=24)
ONE_HOT = np.eye(CLASSES, dtype="float32")

LOGITS_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _dataset(*arrays, batch):
    element = arrays if len(arrays) > 1 else arrays[0]
    return tf.data.Dataset.from_tensor_slices(element).batch(batch)


def _streams(y=Y, x_u=X_U, batch=4, batch_u=12):
    labeled = _dataset(X, y, batch=batch)
    return tpl.merge_streams(labeled, _dataset(x_u, batch=batch_u))


def _linear(activation=None, **kwargs):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(CLASSES, activation, **kwargs)]
    )


def _deep():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(CLASSES),
        ]
    )


def _compiled(
    classifier,
    loss=LOGITS_LOSS,
    optimizer=None,
    *,
    choices=None,
    run_eagerly=True,
    **kwargs,
):
    model = tpl.PseudoLabelModel(classifier, **(choices or {}))
    optimizer = optimizer or keras.optimizers.SGD(0.5)
    model.compile(optimizer, loss, run_eagerly=run_eagerly, **kwargs)
    return model


def _fit(model, streams, alpha=0.7, epochs=1, **kwargs):
    callbacks = [tpl.AlphaScheduler(tpl.Constant(alpha))]
    return model.fit(
        streams, epochs=epochs, callbacks=callbacks, verbose=0, **kwargs
    ).history


def _assert_same(model, other, **tolerance):
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        if tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b)


# One update against NumPy, by hand.


def _softmax(logits):
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def _sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def _cross_entropy(p, t):
    return -np.sum(t * np.log(p), axis=-1)


def _binary_cross_entropy(p, t):
    return -np.sum(t * np.log(p) + (1 - t) * np.log(1 - p), axis=-1)


CASES = {
    # name: (activation, keras loss, one-hot labels, output, loss of a row)
    "logits, class ids": (None, LOGITS_LOSS, False, _softmax, _cross_entropy),
    "logits, one-hot": (
        None,
        keras.losses.CategoricalCrossentropy(from_logits=True),
        True,
        _softmax,
        _cross_entropy,
    ),
    "softmax, class ids": (
        "softmax",
        "sparse_categorical_crossentropy",
        False,
        _softmax,
        _cross_entropy,
    ),
    "softmax, one-hot": (
        "softmax",
        "categorical_crossentropy",
        True,
        _softmax,
        _cross_entropy,
    ),
    "sigmoid, class ids": (
        "sigmoid",
        tpl.SummedBinaryCrossentropy(),
        False,
        _sigmoid,
        _binary_cross_entropy,
    ),
    "sigmoid, one-hot": (
        "sigmoid",
        tpl.SummedBinaryCrossentropy(),
        True,
        _sigmoid,
        _binary_cross_entropy,
    ),
    "sigmoid logits": (
        None,
        tpl.SummedBinaryCrossentropy(from_logits=True),
        True,
        _sigmoid,
        _binary_cross_entropy,
    ),
}


@pytest.mark.parametrize("teacher", ["inference", "training"])
@pytest.mark.parametrize("case", CASES)
def test_one_sgd_step_by_hand(case, teacher):
    """W <- W - lr * (dL/dW + alpha * dL'/dW), equation 15.

    Of both losses, softmax with cross-entropy and sigmoid with binary
    cross-entropy summed over classes, the derivative by the logit is p - t.
    """
    activation, loss, one_hot, output, loss_of_row = CASES[case]
    y = ONE_HOT[Y] if one_hot else Y
    model = _compiled(_linear(activation), loss, choices={"teacher": teacher})
    w, b = (v.astype("float64") for v in model.classifier.get_weights())

    p, p_u = output(X @ w + b), output(X_U @ w + b)
    t, t_u = ONE_HOT[Y], ONE_HOT[p_u.argmax(axis=-1)]
    labeled, unlabeled = loss_of_row(p, t).mean(), loss_of_row(p_u, t_u).mean()
    d, d_u = (p - t) / len(X), (p_u - t_u) / len(X_U)
    w -= 0.5 * (X.T @ d + 0.7 * X_U.T @ d_u)
    b -= 0.5 * (d.sum(axis=0) + 0.7 * d_u.sum(axis=0))

    logs = _fit(model, _streams(y, batch=8, batch_u=24))

    np.testing.assert_allclose(
        [logs[k][0] for k in ("labeled_loss", "unlabeled_loss", "loss")],
        [labeled, unlabeled, labeled + 0.7 * unlabeled],
        rtol=1e-5,
    )
    got_w, got_b = model.classifier.get_weights()
    np.testing.assert_allclose(got_w, w, atol=1e-6)
    np.testing.assert_allclose(got_b, b, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_sample_weights_of_both_streams_by_hand(shape):
    weight = RNG.uniform(size=8).astype("float32")
    weight_u = RNG.uniform(size=24).astype("float32")
    streams = tpl.merge_streams(
        _dataset(X, Y, weight.reshape(-1, *shape), batch=8),
        _dataset(X_U, Y_U, weight_u.reshape(-1, *shape), batch=24),
    )
    model = _compiled(_linear())
    w, b = model.classifier.get_weights()
    p, p_u = _softmax(X @ w + b), _softmax(X_U @ w + b)
    t_u = ONE_HOT[p_u.argmax(axis=-1)]
    d = weight[:, None] * (p - ONE_HOT[Y]) / 8
    d_u = weight_u[:, None] * (p_u - t_u) / 24

    _fit(model, streams)

    np.testing.assert_allclose(
        model.classifier.get_weights()[0],
        w - 0.5 * (X.T @ d + 0.7 * X_U.T @ d_u),
        atol=1e-6,
    )


def test_regularization_counts_once():
    plain = _compiled(_linear())
    w = plain.classifier.get_weights()[0]
    _fit(plain, _streams(batch=8, batch_u=24))
    decayed = _compiled(_linear(kernel_regularizer=keras.regularizers.L2(0.1)))
    _fit(decayed, _streams(batch=8, batch_u=24))

    # The derivative of 0.1 |W|^2 is 0.2 W.
    np.testing.assert_allclose(
        decayed.classifier.get_weights()[0],
        plain.classifier.get_weights()[0] - 0.5 * 0.2 * w,
        atol=1e-6,
    )


def test_activity_regularization_is_keras_own():
    def classifier():
        return _linear(activity_regularizer=keras.regularizers.L2(1.0))

    model = _compiled(classifier())
    _fit(model, _streams(batch=8, batch_u=24), alpha=0.0)
    plain = classifier()
    plain.compile(keras.optimizers.SGD(0.5), LOGITS_LOSS, run_eagerly=True)
    plain.fit(_dataset(X, Y, batch=8), verbose=0, shuffle=False)
    unregularized = _compiled(_linear())
    _fit(unregularized, _streams(batch=8, batch_u=24), alpha=0.0)

    _assert_same(model.classifier, plain)
    moved = np.abs(
        plain.get_weights()[0] - unregularized.classifier.get_weights()[0]
    )
    assert moved.max() > 0.01


# Invariants.


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_alpha_0_is_supervised_training_bit_for_bit(run_eagerly):
    def labeled():
        return _dataset(X, Y, batch=3)  # The last batch is smaller.

    model = _compiled(
        _deep(),
        optimizer=keras.optimizers.Adam(0.05),
        metrics=["accuracy"],
        run_eagerly=run_eagerly,
    )
    keras.utils.set_random_seed(2)
    logs = _fit(
        model,
        tpl.merge_streams(labeled(), _dataset(X_U, batch=8), epoch="labeled"),
        alpha=0.0,
        epochs=3,
        validation_data=labeled(),
    )
    plain = _deep()
    plain.compile(
        keras.optimizers.Adam(0.05),
        LOGITS_LOSS,
        metrics=["accuracy"],
        run_eagerly=run_eagerly,
    )
    keras.utils.set_random_seed(2)
    expected = plain.fit(
        labeled(), epochs=3, verbose=0, validation_data=labeled(), shuffle=False
    ).history

    _assert_same(model.classifier, plain)
    for key, values in expected.items():
        assert logs[key] == values, key


def test_a_beginning_on_labels_alone_is_one_with_alpha_0():
    labeled = _dataset(X, Y, batch=4)
    unlabeled = _dataset(X_U, Y_U, batch=12)
    merged = tpl.merge_streams(labeled, unlabeled, epoch="labeled")
    beginnings = (tpl.labeled_alone(labeled, unlabeled), merged)
    trained, logged = [], []
    for beginning in beginnings:
        model = _compiled(_deep(), optimizer=keras.optimizers.Adam(0.1))
        alpha = [tpl.AlphaScheduler(tpl.LinearRamp(1.0, 2.0, 0.7))]
        histories = [
            model.fit(
                stream,
                initial_epoch=first,
                epochs=last,
                callbacks=alpha,
                verbose=0,
            ).history
            for stream, first, last in ((beginning, 0, 1), (merged, 1, 3))
        ]
        trained.append(model)
        logged.append(histories)
    _assert_same(*trained)
    np.testing.assert_equal(*logged)


def test_labels_of_unlabeled_rows_never_leak():
    def trained(hidden):
        arrays = (X_U,) if hidden is None else (X_U, hidden)
        model = _compiled(_deep())
        keras.utils.set_random_seed(2)
        streams = tpl.merge_streams(
            _dataset(X, Y, batch=4), _dataset(*arrays, batch=12)
        )
        return model, _fit(model, streams, epochs=3)

    without, _ = trained(None)
    true, logs = trained(Y_U)
    poisoned, poisoned_logs = trained((Y_U + 1) % CLASSES)

    _assert_same(true, without)
    _assert_same(poisoned, without)
    assert poisoned_logs["unlabeled_loss"] == logs["unlabeled_loss"]
    assert (
        poisoned_logs["pseudo_label_accuracy"]
        != (logs["pseudo_label_accuracy"])
    )


def test_sparse_gradients_agree_with_eager_ones():
    """Branches with and without pseudo-labels return gradients of one form."""

    def trained(run_eagerly):
        keras.utils.set_random_seed(1)
        classifier = keras.Sequential(
            [
                keras.Input((4,), dtype="int32"),
                keras.layers.Embedding(9, 5),
                keras.layers.Flatten(),
                keras.layers.Dense(CLASSES),
            ]
        )
        model = _compiled(classifier, run_eagerly=run_eagerly)
        x, x_u = ((10 * np.abs(rows)).astype("int32") % 9 for rows in (X, X_U))
        streams = (_dataset(x, Y, batch=3), _dataset(x_u, batch=10))
        for alpha in (0.0, 0.7):
            _fit(model, tpl.alternate_streams(*streams, 2), alpha)
            _fit(model, tpl.merge_streams(*streams), alpha)
        return model

    _assert_same(trained(False), trained(True), atol=1e-6)


def test_one_hot_equals_class_ids():
    ids = _compiled(_linear())
    one_hot = _compiled(
        _linear(), keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    column = _compiled(_linear())
    _fit(ids, _streams(), epochs=2)
    _fit(one_hot, _streams(ONE_HOT[Y]), epochs=2)
    _fit(column, _streams(Y[:, None]), epochs=2)

    _assert_same(one_hot, ids, atol=1e-6)
    _assert_same(column, ids)


def test_class_weight_equals_sample_weight():
    weights = {0: 3.0, 2: 0.5}
    by_class = _compiled(_linear())
    by_row = _compiled(_linear())
    sample_weight = np.array([weights.get(c, 1.0) for c in Y], "float32")
    _fit(by_class, _streams(), class_weight=weights)
    _fit(
        by_row,
        tpl.merge_streams(
            _dataset(X, Y, sample_weight, batch=4), _dataset(X_U, batch=12)
        ),
    )

    _assert_same(by_class, by_row)


def test_gradient_accumulation_is_one_step_on_the_mean():
    accumulating = _compiled(
        _linear(),
        optimizer=keras.optimizers.SGD(0.5, gradient_accumulation_steps=2),
    )
    whole = _compiled(_linear())
    # Two halves of a batch against the whole of it.
    _fit(accumulating, _streams(batch=4, batch_u=12))
    _fit(whole, _streams(batch=8, batch_u=24))

    _assert_same(accumulating.classifier, whole.classifier, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_near_full_precision(policy):
    full = _compiled(_linear())
    _fit(full, _streams(), epochs=2)
    keras.config.set_dtype_policy(policy)
    try:
        mixed = _compiled(_linear())
        assert mixed.classifier(X).dtype != tf.float32
        logs = _fit(mixed, _streams(), epochs=2)
    finally:
        keras.config.set_dtype_policy("float32")

    assert mixed.alpha.dtype == tf.float32
    assert logs["alpha"] == [pytest.approx(0.7)] * 2
    _assert_same(mixed, full, atol=0.02)


def test_subclassed_and_functional_classifiers():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(CLASSES)

        def call(self, x):  # Without a training argument.
            return self.dense(x)

    sequential = _linear()
    inputs = keras.Input((4,))
    functional = keras.Model(inputs, keras.layers.Dense(CLASSES)(inputs))
    functional.set_weights(sequential.get_weights())
    subclassed = Subclassed()
    subclassed(X)
    subclassed.set_weights(sequential.get_weights())

    models = [_compiled(c) for c in (sequential, functional, subclassed)]
    for model in models:
        _fit(model, _streams(), epochs=2)

    _assert_same(models[1], models[0])
    _assert_same(models[2], models[0])


def test_unbuilt_classifier_is_built_by_fit():
    model = _compiled(keras.Sequential([keras.layers.Dense(CLASSES)]))
    logs = _fit(model, _streams(), epochs=5)

    assert model.classifier.built
    assert logs["labeled_loss"][-1] < logs["labeled_loss"][0]


# Masks.


def _tagger():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4,), dtype="int64"),
            keras.layers.Embedding(9, 5, mask_zero=True),
            keras.layers.Dense(CLASSES),
        ]
    )


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_padding_counts_in_no_metric(run_eagerly, alpha):
    """Training accuracy is that of plain Keras on the same masked tokens."""
    tokens = RNG.integers(1, 9, size=(8, 4))
    tokens[::2, 1:] = 0
    tags = np.argmax(_tagger()(tokens), axis=-1)
    # Wrong where there is padding, and right elsewhere.
    tags = np.where(tokens == 0, (tags + 1) % CLASSES, tags)
    model = _compiled(
        _tagger(),
        optimizer=keras.optimizers.SGD(0.0),
        metrics=["accuracy"],
        run_eagerly=run_eagerly,
    )
    labeled = _dataset(tokens, tags, batch=4)
    logs = _fit(
        model,
        tpl.merge_streams(labeled, _dataset(tokens, tags, batch=4)),
        alpha=alpha,
        validation_data=labeled,
    )
    plain = _tagger()
    plain.compile(keras.optimizers.SGD(0.0), LOGITS_LOSS, metrics=["accuracy"])
    expected = plain.evaluate(labeled, verbose=0, return_dict=True)

    assert logs["accuracy"] == logs["val_accuracy"] == [1.0]
    assert logs["labeled_loss"] == [pytest.approx(expected["loss"], rel=1e-5)]
    if alpha:
        assert logs["pseudo_label_accuracy"] == [1.0]
        assert logs["unlabeled_loss"][0] > 0


# What runs, and when.


class Counting(keras.Model):
    """Counts its passes: training mode, inference mode."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(CLASSES)
        self.passes = [tf.Variable(0), tf.Variable(0)]

    def call(self, x, training=False):
        self.passes[0 if training else 1].assign_add(1)
        return self.dense(x)


@pytest.mark.parametrize(
    ("alpha", "teacher", "passes"),
    [
        # Two updates: a labeled pass each, and what the unlabeled part needs.
        (0.0, "inference", [2, 0]),
        (0.0, "training", [2, 0]),
        (1.0, "inference", [4, 2]),
        (1.0, "training", [4, 0]),
    ],
)
def test_passes_through_the_network(alpha, teacher, passes):
    classifier = Counting()
    classifier(X)
    model = _compiled(classifier, choices={"teacher": teacher})
    for count in classifier.passes:
        count.assign(0)

    _fit(model, _streams(), alpha=alpha)

    assert [int(count) for count in classifier.passes] == passes


def test_an_absent_part_leaves_batch_statistics_alone():
    keras.utils.set_random_seed(1)
    classifier = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(momentum=0.0),
            keras.layers.Dense(CLASSES),
        ]
    )
    model = _compiled(classifier)
    streams = tpl.alternate_streams(
        _dataset(X, Y, batch=8), _dataset(X_U, batch=24)
    )
    _fit(model, streams, alpha=0.0)
    np.testing.assert_allclose(
        classifier.layers[0].moving_mean, X.mean(axis=0), rtol=1e-4, atol=1e-6
    )

    _fit(model, streams, alpha=1.0)
    np.testing.assert_allclose(
        classifier.layers[0].moving_mean, X_U.mean(axis=0), rtol=1e-4, atol=1e-6
    )


def test_inference_teacher_has_dropout_off():
    def accuracy(teacher):
        keras.utils.set_random_seed(0)
        classifier = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dropout(0.9, seed=1),
                keras.layers.Dense(CLASSES),
            ]
        )
        hidden = np.argmax(classifier(X_U), axis=-1)
        streams = tpl.merge_streams(
            _dataset(X, Y, batch=8), _dataset(X_U, hidden, batch=24)
        )
        model = _compiled(
            classifier,
            optimizer=keras.optimizers.SGD(0.0),
            choices={"teacher": teacher},
        )
        return _fit(model, streams)["pseudo_label_accuracy"]

    # The hidden labels are what the network itself says without dropout.
    assert accuracy("inference") == [1.0]
    assert accuracy("training")[0] < 1.0


# Logs.


def test_logs_without_hidden_labels():
    logs = _fit(_compiled(_linear(), metrics=["accuracy"]), _streams())

    assert set(logs) == {
        "loss",
        "labeled_loss",
        "unlabeled_loss",
        "alpha",
        "accuracy",
    }


def test_skipped_batches_do_not_dilute_the_loss():
    model = _compiled(_linear())
    streams = tpl.alternate_streams(
        _dataset(X, Y, batch=4), _dataset(X_U, batch=4)
    )
    skipped = _fit(model, streams, alpha=0.0)
    assert skipped["loss"] == skipped["labeled_loss"]

    logs = _fit(model, streams, alpha=0.5)
    np.testing.assert_allclose(
        logs["loss"][0],
        (8 * logs["labeled_loss"][0] + 24 * 0.5 * logs["unlabeled_loss"][0])
        / 32,
        rtol=1e-5,
    )


def test_pseudo_label_accuracy_by_hand():
    model = _compiled(_linear(), optimizer=keras.optimizers.SGD(0.0))
    predicted = np.argmax(model.classifier(X_U), axis=-1)
    streams = tpl.merge_streams(
        _dataset(X, Y, batch=8), _dataset(X_U, Y_U, batch=7)
    )

    assert "pseudo_label_accuracy" not in _fit(model, streams, alpha=0.0)
    assert _fit(model, streams)["pseudo_label_accuracy"] == [
        pytest.approx(np.mean(predicted == Y_U))
    ]


def test_evaluate_and_predict_are_the_classifiers_own():
    model = _compiled(_linear(), metrics=["accuracy"])
    _fit(model, _streams(), validation_data=(X, Y))
    plain = model.classifier
    plain.compile("sgd", LOGITS_LOSS, metrics=["accuracy"], run_eagerly=True)

    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert logs == plain.evaluate(X, Y, verbose=0, return_dict=True)
    assert model.evaluate(X, Y, verbose=0) == list(
        plain.evaluate(X, Y, verbose=0)
    )
    np.testing.assert_array_equal(
        model.predict(X, verbose=0), plain.predict(X, verbose=0)
    )


def test_test_on_batch_is_the_classifiers_own():
    model = _compiled(_linear(), metrics=["accuracy"])
    _fit(model, _streams())

    logs = model.test_on_batch(X, Y, return_dict=True)
    assert set(logs) == {"loss", "accuracy"}


def test_sequences_of_any_length():
    """Class scores per token; batches differ in length."""
    keras.utils.set_random_seed(1)

    def tokens(rows):
        lengths = [2 + i % 3 for i in range(rows)]
        return tf.data.Dataset.from_generator(
            lambda: (
                (np.ones((n, 4), "float32"), np.arange(n) % CLASSES)
                for n in lengths
            ),
            output_signature=(
                tf.TensorSpec([None, 4], tf.float32),
                tf.TensorSpec([None], tf.int64),
            ),
        ).apply(tf.data.experimental.assert_cardinality(rows))

    streams = (tokens(4).padded_batch(2), tokens(8).padded_batch(4))
    classifier = keras.Sequential(
        [keras.Input((None, 4)), keras.layers.Dense(CLASSES)]
    )
    model = _compiled(classifier)
    for merged in (
        tpl.merge_streams(*streams),
        tpl.alternate_streams(*streams, unlabeled_batches=1),
    ):
        logs = _fit(model, merged, epochs=3)
        assert np.isfinite(logs["unlabeled_loss"]).all()
        assert logs["labeled_loss"][-1] < logs["labeled_loss"][0]


def test_validation_logs_are_the_classifiers_own():
    model = _compiled(_linear(), metrics=["accuracy"])
    logs = _fit(model, _streams(), epochs=2, validation_data=(X, Y))

    assert {key for key in logs if key.startswith("val_")} == {
        "val_loss",
        "val_accuracy",
    }
    assert "labeled_loss" in logs


# As in Keras.


def test_a_call_for_more_updates_than_there_are_is_heard():
    with pytest.warns(UserWarning, match="ran out of data"):
        _fit(_compiled(_linear()), _streams(), steps_per_epoch=50)


def test_an_epoch_that_ends_with_its_stream_is_no_warning(recwarn):
    _fit(_compiled(_linear()), _streams())

    assert not [w for w in recwarn if "ran out of data" in str(w.message)]


def test_a_list_of_callbacks_stays_as_it_was():
    model = _compiled(_linear())
    callbacks = keras.callbacks.CallbackList([], add_history=True, model=model)
    before = list(callbacks.callbacks)
    for _ in range(2):
        model.fit(_streams(), callbacks=callbacks, verbose=0)

    assert callbacks.callbacks == before


def test_an_endless_stream_needs_a_number_of_updates():
    streams = tpl.merge_streams(
        _dataset(X, Y, batch=4), _dataset(X_U, batch=12).repeat()
    )
    model = _compiled(_linear())

    with pytest.raises(ValueError, match="never ends; got no steps_per_epoch"):
        _fit(model, streams)
    logs = _fit(model, streams, steps_per_epoch=3, epochs=2)
    assert int(model.optimizer.iterations.numpy()) == 6
    assert len(logs["loss"]) == 2


def test_the_end_of_a_stream_is_no_update():
    """Where its length is unknown, `fit` finds it by drawing once too often."""
    unlabeled = _dataset(X_U, Y_U, batch=12).filter(lambda *_: True)
    streams = tpl.merge_streams(_dataset(X, Y, batch=4), unlabeled)
    model = _compiled(
        _linear(), optimizer=keras.optimizers.Adam(0.1), run_eagerly=False
    )
    seen = []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch)
    )
    # A race: seen after a few epochs, if it is there.
    model.fit(streams, epochs=20, callbacks=[count], verbose=0)

    assert int(model.optimizer.iterations.numpy()) == len(seen) == 40


# Numbers of other types.


def test_float64_throughout():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        model = _compiled(
            _linear(),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            choices={
                "selection": tpl.Threshold(0.4),
                "terms": [tpl.ClassPrior()],
            },
            metrics=["accuracy"],
        )
        streams = tpl.merge_streams(
            _dataset(X.astype("float64"), Y, batch=4),
            _dataset(
                X_U.astype("float64"), Y_U, np.ones(24, "int64"), batch=12
            ),
        )
        initial = model.classifier.get_weights()
        logs = _fit(model, streams)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    assert model.classifier.weights[0].dtype == "float64"
    single = _compiled(
        _linear(),
        choices={"selection": tpl.Threshold(0.4), "terms": [tpl.ClassPrior()]},
    )
    # Other numbers are drawn for other types.
    single.classifier.set_weights(initial)
    expected = _fit(single, _streams())
    assert logs["coverage"] == pytest.approx(expected["coverage"])
    np.testing.assert_allclose(logs["loss"], expected["loss"], rtol=1e-5)
    _assert_same(model, single, atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "dtype"), [(Y > 0, "bool"), (Y % 2, "uint8"), (Y % 2, "float32")]
)
def test_labels_of_any_type_are_class_ids(labels, dtype):
    def trained(y):
        model = _compiled(_linear())
        _fit(model, _streams(y))
        return model

    _assert_same(trained(labels.astype(dtype)), trained(labels.astype("int64")))


def test_a_class_that_the_loss_ignores():
    """Rows of it weigh nothing, as in Keras itself."""
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=255
    )
    y = np.where(np.arange(8) % 4 == 1, 255, Y)
    model = _compiled(_linear(), loss)
    _fit(model, _streams(y, batch=8), alpha=0.0)
    kept = _compiled(_linear())
    for _ in range(2):
        kept.train_step(((X[y < 255], Y[y < 255]), (X_U[:0],)))

    _assert_same(model.classifier, kept.classifier, atol=1e-6)


def test_labels_that_are_not_known_are_no_errors():
    model = _compiled(_linear(), optimizer=keras.optimizers.SGD(0.0))
    hidden = np.argmax(model.classifier(X_U), axis=-1)
    hidden[8:] = -1
    streams = tpl.merge_streams(
        _dataset(X, Y, batch=8), _dataset(X_U, hidden, batch=12)
    )

    assert _fit(model, streams)["pseudo_label_accuracy"] == [1.0]


@pytest.mark.parametrize("weights", [0.5, [0.5]])
def test_a_loss_weight_multiplies_all_that_is_minimized(weights):
    model = _compiled(_linear(), loss_weights=weights)
    half = _fit(model, _streams(batch=8, batch_u=24))
    whole = _compiled(_linear(), optimizer=keras.optimizers.SGD(0.25))
    logs = _fit(whole, _streams(batch=8, batch_u=24))

    _assert_same(model, whole, atol=1e-6)
    assert half["loss"] == [pytest.approx(logs["loss"][0] / 2, rel=1e-5)]


def test_callbacks_are_taken_by_position():
    """Keras takes them as the sixth argument."""
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(epoch)
    )
    _compiled(_linear()).fit(_streams(), None, None, 2, 0, [note])

    assert seen == [0, 1]


# Bad input.


def test_unmerged_data_is_refused():
    model = _compiled(_linear())

    with pytest.raises(ValueError, match="merge_streams"):
        model.fit(_dataset(X, Y, batch=4))
    with pytest.raises(ValueError, match="got ndarray"):
        model.fit(X, Y)


def test_several_inputs_are_not_taken_for_streams():
    two_inputs = _dataset((X, X), Y, batch=4)

    with pytest.raises(ValueError, match="merge_streams"):
        _compiled(_linear()).fit(two_inputs)


def test_one_hot_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Labels must be class ids"):
        _fit(_compiled(_linear()), _streams(np.eye(5, dtype="float32")[Y]))


def test_labels_outside_the_classes_stop_before_the_update():
    model = _compiled(_linear())
    before = model.classifier.get_weights()

    with pytest.raises(ValueError, match=r"in 0\.\.\.2, .* got \[3 3 3\]"):
        _fit(model, _streams(Y + 1, batch=8))
    for a, b in zip(before, model.classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", [None, ["mse"], {"a": "mse"}])
def test_anything_but_one_loss_is_refused(loss):
    model = tpl.PseudoLabelModel(_linear())
    model.compile("sgd", loss)

    with pytest.raises(ValueError, match="needs one loss"):
        model.fit(_streams(), verbose=0)


def test_uncompiled_model_is_refused():
    with pytest.raises(ValueError, match=r"Call compile\("):
        tpl.PseudoLabelModel(_linear()).fit(_streams(), verbose=0)


def test_unknown_teacher_is_refused():
    with pytest.raises(
        ValueError, match="inference, training, lagged, averaged; got 'ema'"
    ):
        tpl.PseudoLabelModel(_linear(), teacher="ema")


@pytest.mark.parametrize(
    "choices, problem",
    [
        ({"target": 3}, "`target` takes a name or an instance .*; got 3"),
        ({"selection": 0.95}, "`selection` takes a name .*; got 0.95"),
        ({"selection": tpl.Threshold}, "got the class Threshold"),
        ({"penalties": 0.8}, "`penalties` takes a name .*; got 0.8"),
        ({"terms": tpl.ClassPrior}, "got the class ClassPrior"),
        ({"mixup": float("inf")}, "`mixup` .* got inf"),
    ],
)
def test_choices_that_are_none_are_refused(choices, problem):
    with pytest.raises(ValueError, match=problem):
        tpl.PseudoLabelModel(_linear(), **choices)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (ONE_HOT[Y] + ONE_HOT[(Y + 1) % 3], "must name one class"),
        (np.array([str(label) for label in Y]), "got strings"),
        (RNG.normal(size=(8, 3)).astype("float32"), "regression"),
    ],
    ids=["several classes", "strings", "regression"],
)
def test_labels_that_are_no_classes_are_refused(labels, problem):
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)

    with pytest.raises(ValueError, match=problem):
        _fit(_compiled(_linear(), loss), _streams(labels))


@pytest.mark.parametrize("form", ["rows", "images"])
def test_a_second_view_is_not_taken_for_labels(form):
    shape = {"rows": (4,), "images": (4, 4, 1)}[form]
    x, x_u = np.zeros((8, *shape), "float32"), np.zeros((24, *shape), "float32")
    classifier = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES),
        ]
    )
    streams = tpl.merge_streams(
        _dataset(x, Y, batch=4), _dataset(x_u, x_u + 0.1, batch=12)
    )

    with pytest.raises(ValueError, match=r"unlabeled stream .*Viewed"):
        _fit(_compiled(classifier), streams)


@pytest.mark.parametrize(
    ("classifier", "loss", "problem"),
    [
        (_linear, "sum", None),
        (_linear, None, "reduction=None"),
        (_linear, "none", "reduction"),
    ],
)
def test_a_loss_says_how_rows_are_put_together(classifier, loss, problem):
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction=loss
    )
    model = _compiled(classifier(), loss)
    if problem is None:
        _fit(model, _streams())
        return
    with pytest.raises(ValueError, match=problem):
        _fit(model, _streams())


def _one_number(y, scores):
    return tf.reduce_mean(
        keras.losses.sparse_categorical_crossentropy(
            y, scores, from_logits=True
        )
    )


def test_a_loss_of_one_number_is_refused_where_rows_differ():
    model = _compiled(
        _linear(), _one_number, choices={"selection": tpl.Threshold(0.95)}
    )

    with pytest.raises(ValueError, match="one number: _one_number"):
        _fit(model, _streams())
    # Where all rows count alike, it is as good as the loss of rows.
    whole, by_row = _compiled(_linear(), _one_number), _compiled(_linear())
    for trained in (whole, by_row):
        _fit(trained, _streams())
    _assert_same(whole, by_row, atol=1e-6)


def test_inputs_that_do_not_fit_the_classifier():
    x, x_u = np.zeros((8, 5), "float32"), np.zeros((24, 5), "float32")
    streams = tpl.merge_streams(
        _dataset(x, Y, batch=4), _dataset(x_u, batch=12)
    )

    with pytest.raises(
        ValueError, match=r"does not take the inputs .* got \(None, 5\) float32"
    ):
        _fit(_compiled(_linear()), streams)


def test_nothing_to_train_is_refused():
    classifier = _linear()
    classifier.trainable = False

    with pytest.raises(ValueError, match="nothing to train"):
        _fit(_compiled(classifier), _streams())


@pytest.mark.parametrize("units", [1, None])
def test_regression_and_several_outputs_are_refused(units):
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(units or 3)(inputs)
    classifier = keras.Model(inputs, outputs if units else [outputs, outputs])
    problem = "regression" if units else "single output; got list of 2"

    with pytest.raises(ValueError, match=problem):
        _fit(_compiled(classifier), _streams())


def test_merged_streams_do_not_validate():
    with pytest.raises(ValueError, match="validation_data is a labeled"):
        _fit(_compiled(_linear()), _streams(), validation_data=_streams())


def test_one_batch_is_no_update():
    with pytest.raises(ValueError, match="train_on_batch"):
        _compiled(_linear()).train_on_batch(X, Y)


@pytest.mark.parametrize("weights", [{5: 2.0}, {0: -1.0}, [1.0, 2.0]], ids=str)
def test_class_weights_of_no_class_are_refused(weights):
    with pytest.raises(ValueError, match="`class_weight`"):
        _fit(_compiled(_linear()), _streams(), class_weight=weights)


def test_several_loss_weights_are_refused():
    with pytest.raises(ValueError, match="one of `loss_weights`"):
        _compiled(_linear(), loss_weights=[0.5, 0.5])


def test_choices_stay_and_their_numbers_move():
    model = tpl.PseudoLabelModel(_linear(), selection=tpl.Threshold(0.5))

    with pytest.raises(AttributeError, match="chosen when the model is made"):
        model.selection = "all"
    model.selection.threshold = 0.9
    assert model.get_config()["selection"]["config"]["threshold"] == 0.9


def test_a_number_moved_between_fits_is_heard_of():
    """In a step that was traced before, too."""
    model = _compiled(
        _linear(),
        optimizer=keras.optimizers.SGD(0.0),
        choices={"selection": tpl.Threshold(1.0)},
        run_eagerly=False,
    )
    assert _fit(model, _streams())["coverage"] == [0.0]
    model.selection.threshold = 0.0
    assert _fit(model, _streams())["coverage"] == [1.0]


def test_two_inputs():
    def classifier():
        keras.utils.set_random_seed(1)
        inputs = [keras.Input((4,)), keras.Input((2,))]
        joined = keras.layers.Concatenate()(inputs)
        return keras.Model(inputs, keras.layers.Dense(CLASSES)(joined))

    labeled = _dataset((X, X[:, :2]), Y, batch=4)
    unlabeled = tf.data.Dataset.from_tensor_slices(((X_U, X_U[:, :2]),))
    logs = _fit(
        _compiled(classifier()),
        tpl.merge_streams(labeled, unlabeled.batch(12)),
        epochs=3,
    )
    assert logs["labeled_loss"][-1] < logs["labeled_loss"][0]


def test_classifier_that_is_no_model_is_refused():
    with pytest.raises(ValueError, match="got Dense"):
        tpl.PseudoLabelModel(keras.layers.Dense(3))


class _Costly(keras.layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(keras.ops.abs(x)))
        return x


@pytest.mark.parametrize(
    "hidden",
    [
        keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.1)),
        keras.layers.Dense(4, activity_regularizer=keras.regularizers.L2(0.1)),
        _Costly(),
    ],
    ids=["kernel", "activity", "add_loss"],
)
def test_an_average_is_evaluated_with_the_penalties_of_its_own(hidden):
    classifier = keras.Sequential(
        [keras.Input((4,)), hidden, keras.layers.Dense(CLASSES)]
    )
    model = model_of(classifier, average=tpl.Averaged(0.9))
    logs = model.fit(
        streams((X, Y), (X_U,)), epochs=2, validation_data=(X, Y), verbose=0
    ).history
    before = classifier.get_weights()

    found = model.evaluate(X, Y, verbose=0)

    with model.evaluated():
        plain = keras.Sequential([classifier])
        plain.compile(loss=model.loss)
        expected = plain.evaluate(X, Y, verbose=0)
    assert found == pytest.approx(expected, rel=1e-6)
    assert logs["val_loss"][-1] == pytest.approx(expected, rel=1e-6)
    assert model.test_on_batch(X, Y) == pytest.approx(expected, rel=1e-6)
    for now, then in zip(classifier.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
