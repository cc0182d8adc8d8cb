import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl

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
    classifier, loss=LOGITS_LOSS, optimizer=None, teacher="inference", **kwargs
):
    model = tpl.PseudoLabelModel(classifier, teacher=teacher)
    model.compile(optimizer or keras.optimizers.SGD(0.5), loss, **kwargs)
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
    model = _compiled(_linear(activation), loss, teacher=teacher)
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


def test_sample_weights_of_both_streams_by_hand():
    weight = RNG.uniform(size=8).astype("float32")
    weight_u = RNG.uniform(size=24).astype("float32")
    streams = tpl.merge_streams(
        _dataset(X, Y, weight, batch=8), _dataset(X_U, Y_U, weight_u, batch=24)
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
    plain.compile(keras.optimizers.SGD(0.5), LOGITS_LOSS)
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
    assert logged[0][0].keys() == logged[0][1].keys()


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


@pytest.mark.parametrize(
    "options",
    [
        {"run_eagerly": True},
        {"jit_compile": True},
        {"steps_per_execution": 2},
        {"steps_per_execution": 4},
    ],
    ids=str,
)
@pytest.mark.parametrize("alternating", [False, True])
def test_ways_to_run_a_step_agree(options, alternating):
    def trained(**compile_options):
        model = _compiled(_linear(), metrics=["accuracy"], **compile_options)
        streams = (_dataset(X, Y, batch=4), _dataset(X_U, Y_U, batch=10))
        merged = (
            tpl.alternate_streams(*streams, unlabeled_batches=2)
            if alternating
            else tpl.merge_streams(*streams)
        )
        return model, _fit(model, merged, epochs=2)

    model, logs = trained(**options)
    plain, expected = trained()

    _assert_same(model, plain, atol=1e-6)
    assert logs.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(logs[key], values, rtol=1e-5, err_msg=key)


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


@pytest.mark.parametrize("alternating", [False, True])
def test_two_replicas_equal_one(two_replicas, alternating):
    def trained(strategy):
        with strategy.scope():
            model = _compiled(
                _linear(kernel_regularizer="l2"),
                optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
                metrics=[
                    "accuracy",
                    keras.metrics.AUC(name="auc", from_logits=True),
                ]
                if not alternating
                else ["accuracy"],
                loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            )
        streams = (
            _dataset(X, ONE_HOT[Y], batch=4),
            _dataset(X_U, Y_U, batch=12),
        )
        merged = (
            tpl.alternate_streams(*streams, unlabeled_batches=1)
            if alternating
            else tpl.merge_streams(*streams)
        )
        logs = model.fit(
            merged,
            epochs=4,
            verbose=0,
            validation_data=_dataset(X, ONE_HOT[Y], batch=4),
            callbacks=[tpl.AlphaScheduler(tpl.LinearRamp(1, 3, 1.0))],
        ).history
        return model, logs

    one, expected = trained(tf.distribute.get_strategy())
    two, logs = trained(two_replicas)

    assert two.distribute_strategy.num_replicas_in_sync == 2
    _assert_same(two, one, atol=1e-6)
    assert logs.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(logs[key], values, rtol=1e-5, err_msg=key)


def test_two_replicas_with_uneven_shares_equal_one(two_replicas):
    """The last batches leave one replica fewer rows, or none."""

    def trained(strategy):
        with strategy.scope():
            model = _compiled(
                _linear(kernel_regularizer="l2"), metrics=["accuracy"]
            )
        streams = tpl.merge_streams(
            _dataset(X[:7], Y[:7], batch=3), _dataset(X_U, batch=7), "labeled"
        )
        return model, _fit(model, streams, epochs=2)

    one, expected = trained(tf.distribute.get_strategy())
    two, logs = trained(two_replicas)

    _assert_same(two, one, atol=1e-6)
    for key, values in expected.items():
        np.testing.assert_allclose(logs[key], values, rtol=1e-5, err_msg=key)


def test_loaded_model_trains_on_replicas(two_replicas, tmp_path):
    with two_replicas.scope():
        model = _compiled(_linear(), metrics=["accuracy"])
    _fit(model, _streams())
    model.save(tmp_path / "model.keras")
    with two_replicas.scope():
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    _fit(loaded, _streams())
    _fit(model, _streams())

    _assert_same(loaded, model, atol=1e-6)


@pytest.mark.parametrize(
    "strategy", ["MirroredStrategy(['CPU:0'])", "OneDeviceStrategy('CPU:0')"]
)
def test_strategy_with_one_replica(strategy, tmp_path):
    _in_a_clean_process(
        f"""
        import numpy as np
        import keras
        import tensorflow as tf
        import tf_pseudolabel as tpl

        x = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
        y = np.arange(12) % 3
        labeled = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
        unlabeled = tf.data.Dataset.from_tensor_slices(x).batch(6)
        weights = []
        for strategy in (
            tf.distribute.get_strategy(), tf.distribute.{strategy}
        ):
            keras.utils.set_random_seed(0)
            with strategy.scope():
                model = tpl.PseudoLabelModel(
                    keras.Sequential([keras.layers.Dense(3, "softmax")])
                )
                model.compile(
                    "sgd",
                    "sparse_categorical_crossentropy",
                    metrics=["accuracy"],
                )
            model.alpha.assign(1.0)
            model.fit(tpl.merge_streams(labeled, unlabeled), verbose=0)
            weights.append(model.classifier.get_weights())
        for a, b in zip(*weights):
            np.testing.assert_allclose(a, b, atol=1e-6)
        """
    )


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

    _assert_same(accumulating, whole, atol=1e-6)


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
    model = _compiled(classifier, teacher=teacher)
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
            classifier, optimizer=keras.optimizers.SGD(0.0), teacher=teacher
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

    assert np.isnan(_fit(model, streams, alpha=0.0)["pseudo_label_accuracy"])
    assert _fit(model, streams)["pseudo_label_accuracy"] == [
        pytest.approx(np.mean(predicted == Y_U))
    ]


def test_evaluate_and_predict_are_the_classifiers_own():
    model = _compiled(_linear(), metrics=["accuracy"])
    _fit(model, _streams(), validation_data=(X, Y))
    plain = model.classifier
    plain.compile("sgd", LOGITS_LOSS, metrics=["accuracy"])

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


# Saving.


def test_config_round_trip():
    model = tpl.PseudoLabelModel(
        _linear(),
        teacher="training",
        unlabeled_loss=tpl.ConditionalEntropy("sigmoid"),
        name="mine",
    )
    config = keras.saving.serialize_keras_object(model)
    restored = keras.saving.deserialize_keras_object(config)

    assert isinstance(restored, tpl.PseudoLabelModel)
    assert type(restored.teacher) is type(model.teacher)
    assert restored.unlabeled_loss.activation == "sigmoid"
    assert restored.name == "mine"
    assert restored.classifier.get_config() == model.classifier.get_config()


def test_saved_model_trains_on_as_if_never_saved(tmp_path):
    def new():
        return _compiled(
            _linear(),
            optimizer=keras.optimizers.Adam(0.1),
            metrics=["accuracy"],
        )

    uninterrupted = new()
    _fit(uninterrupted, _streams(), epochs=4)
    model = new()
    _fit(model, _streams(), epochs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert float(loaded.alpha.numpy()) == pytest.approx(0.7)
    assert isinstance(loaded.alpha, tf.Variable)
    _assert_same(loaded, model)
    _fit(loaded, _streams(), initial_epoch=2, epochs=4)
    _assert_same(loaded, uninterrupted)


@keras.saving.register_keras_serializable(package="tf_pseudolabel_test")
class Subclassed(keras.Model):
    """Makes its variables at its first call."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.normalize = keras.layers.BatchNormalization(momentum=0.5)
        self.dense = keras.layers.Dense(units)

    def call(self, x, training=None):
        return self.dense(self.normalize(x, training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _functional():
    inputs = keras.Input((4,))
    normalized = keras.layers.BatchNormalization(momentum=0.5)(inputs)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(normalized))


# Every argument is another than by default in one of them.
EVERY_CHOICE = {
    "lagged": {
        "teacher": "lagged",
        "target": tpl.Sharpened(0.7),
        "selection": tpl.Threshold(0.4, "accepted"),
        "batch_norm": "labeled",
        "penalties": [tpl.ClassPrior(0.3), tpl.MinimumEntropy(0.2)],
    },
    "mixup": {
        "target": "soft",
        "batch_norm": "joint",
        "mixup": 2.0,
        "penalties": [tpl.MinimumEntropy(0.1)],
    },
}


def _with(choices, classifier):
    keras.utils.set_random_seed(1)
    model = tpl.PseudoLabelModel(classifier(), **choices)
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    return model


@pytest.mark.parametrize(
    ("name", "classifier"),
    [
        ("lagged", _functional),
        ("lagged", lambda: Subclassed(CLASSES)),
        ("mixup", _functional),
    ],
)
def test_every_choice_is_saved_and_trains_on(name, classifier, tmp_path):
    choices = EVERY_CHOICE[name]
    uninterrupted = _with(choices, classifier)
    model = _with(choices, classifier)
    _fit(uninterrupted, _streams(ONE_HOT[Y]), epochs=4)
    _fit(model, _streams(ONE_HOT[Y]), epochs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    config, expected = loaded.get_config(), model.get_config()
    for key in ("batch_norm", "mixup"):
        assert config[key] == expected[key]
        assert config[key] == choices.get(key, config[key])
    for key in ("teacher", "target", "selection"):
        assert type(getattr(loaded, key)) is type(getattr(model, key))
        assert (
            getattr(loaded, key).get_config()
            == getattr(model, key).get_config()
        )
    assert [(type(term), term.get_config()) for term in loaded.penalties] == [
        (type(term), term.get_config()) for term in choices["penalties"]
    ]
    _assert_same(loaded, model)
    if model.mixup:  # Keras leaves seeds out of .keras files, dropout's, too.
        loaded._mixup.seed.state.assign(model._mixup.seed.state)
    _fit(loaded, _streams(ONE_HOT[Y]), initial_epoch=2, epochs=4)
    _assert_same(loaded, uninterrupted)


@pytest.mark.parametrize(
    "classifier", [_functional, lambda: Subclassed(CLASSES)]
)
def test_measured_thresholds_are_saved(classifier, tmp_path):
    model = _with({"selection": tpl.TopShare(mean="all")}, classifier)
    model.fit(
        _streams(ONE_HOT[Y]),
        callbacks=[tpl.ShareScheduler(lambda epoch: 0.3, X_U)],
        epochs=3,
        verbose=0,
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert loaded.selection.mean == "all"
    assert loaded.selection.epoch == 2
    assert model.selection.thresholds.numpy().min() > 0
    np.testing.assert_array_equal(
        loaded.selection.thresholds, model.selection.thresholds
    )


def test_choices_are_saved_before_the_first_fit(tmp_path):
    model = _with(EVERY_CHOICE["lagged"], _functional)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    for trained in (loaded, model):
        _fit(trained, _streams(ONE_HOT[Y]), epochs=2)
    _assert_same(loaded, model)


def test_callbacks_are_taken_by_position():
    """Keras takes them as the sixth argument."""
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(epoch)
    )
    _compiled(_linear()).fit(_streams(), None, None, 2, 0, [note])

    assert seen == [0, 1]


def _in_a_clean_process(code):
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_loading_needs_no_more_than_the_import(tmp_path):
    model = _compiled(_linear())
    _fit(model, _streams())
    model.save(tmp_path / "model.keras")

    printed = _in_a_clean_process(
        f"""
        import keras
        import tf_pseudolabel

        model = keras.saving.load_model({str(tmp_path / "model.keras")!r})
        print(type(model).__name__, float(model.alpha.numpy()) > 0)
        """
    )

    assert printed.split() == ["PseudoLabelModel", "True"]


def test_export_serves_without_this_package(tmp_path):
    model = _compiled(_linear())
    _fit(model, _streams())
    model.export(tmp_path / "served", verbose=False)
    np.save(tmp_path / "x.npy", X)

    _in_a_clean_process(
        f"""
        import sys
        import numpy as np
        import tensorflow as tf

        served = tf.saved_model.load({str(tmp_path / "served")!r})
        x = np.load({str(tmp_path / "x.npy")!r})
        np.save({str(tmp_path / "y.npy")!r}, served.serve(x))
        assert "tf_pseudolabel" not in sys.modules
        """
    )

    np.testing.assert_allclose(
        np.load(tmp_path / "y.npy"), model.predict(X, verbose=0), atol=1e-6
    )


def test_keras_callbacks_work(tmp_path):
    model = _compiled(_linear(), metrics=["accuracy"])
    model.fit(
        _streams(),
        epochs=3,
        verbose=0,
        validation_data=(X, Y),
        callbacks=[
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras"),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.BackupAndRestore(tmp_path / "backup"),
            keras.callbacks.ReduceLROnPlateau(patience=1),
            keras.callbacks.EarlyStopping(restore_best_weights=True),
            keras.callbacks.TensorBoard(tmp_path / "board"),
        ],
    )

    assert (tmp_path / "best.keras").exists()
    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    assert {"alpha", "labeled_loss", "val_accuracy"} <= set(header.split(","))
    assert any((tmp_path / "board").iterdir())


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
    with pytest.raises(ValueError, match="same number of classes"):
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
        ValueError, match="inference, training, lagged, or an object; got 'ema'"
    ):
        tpl.PseudoLabelModel(_linear(), teacher="ema")


@pytest.mark.parametrize(
    "choices, problem",
    [
        ({"target": 3}, "`target` takes a name or an object .*; got 3"),
        ({"selection": 0.95}, "`selection` takes a name .*; got 0.95"),
        ({"penalties": 0.8}, "`penalties` takes a name .*; got 0.8"),
        ({"mixup": float("inf")}, "`mixup` .* got inf"),
    ],
)
def test_choices_that_are_none_are_refused(choices, problem):
    with pytest.raises(ValueError, match=problem):
        tpl.PseudoLabelModel(_linear(), **choices)


def test_xla_is_not_chosen_where_it_fails():
    """Keras' `jit_compile="auto"` asks every layer, the model among them."""
    assert tpl.PseudoLabelModel(_linear()).supports_jit
    assert not tpl.PseudoLabelModel(_linear(), batch_norm="joint").supports_jit


def test_classifier_that_is_no_model_is_refused():
    with pytest.raises(ValueError, match="got Dense"):
        tpl.PseudoLabelModel(keras.layers.Dense(3))


# XLA.


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize(
    ("teacher", "one_hot"), [("inference", True), ("training", False)]
)
def test_xla_compiles_a_step_of_known_shapes(alternating, teacher, one_hot):
    def trained(jit_compile):
        y = ONE_HOT[Y] if one_hot else Y
        streams = [
            tf.data.Dataset.from_tensor_slices(arrays).batch(size, True)
            for arrays, size in (((X, y), 4), ((X_U, Y_U), 12))
        ]
        merged = (
            tpl.alternate_streams(*streams, unlabeled_batches=1)
            if alternating
            else tpl.merge_streams(*streams)
        )
        model = _compiled(
            _linear(),
            keras.losses.CategoricalCrossentropy(from_logits=True)
            if one_hot
            else LOGITS_LOSS,
            keras.optimizers.Adam(0.05),
            teacher,
            metrics=["accuracy"],
            jit_compile=jit_compile,
        )
        return model, [_fit(model, merged, alpha) for alpha in (0.0, 0.7)]

    model, logs = trained(True)
    plain, expected = trained(False)

    _assert_same(model, plain, atol=1e-5)
    for alpha in range(2):
        for key, values in expected[alpha].items():
            np.testing.assert_allclose(logs[alpha][key], values, rtol=1e-4)


def test_the_end_of_a_stream_is_no_update():
    """Where its length is unknown, `fit` finds it by drawing once too often."""
    labeled, unlabeled = (
        tf.data.Dataset.from_tensor_slices(arrays).batch(size, True)
        for arrays, size in (((X, Y), 4), ((X_U, Y_U), 12))
    )
    unlabeled = unlabeled.filter(lambda *_: True)
    model = _compiled(_linear(), optimizer=keras.optimizers.Adam(0.1))
    seen = []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch)
    )
    for _ in range(20):
        model.fit(
            tpl.merge_streams(labeled, unlabeled), callbacks=[count], verbose=0
        )
    assert int(model.optimizer.iterations.numpy()) == len(seen) > 0
