import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.labels import teachers

CLASSES = 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2])
X_U = RNG.normal(size=(12, 4)).astype("float32")
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _linear():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(CLASSES)])


def _normalizing():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dense(CLASSES),
        ]
    )


def _compiled(classifier, optimizer=None, teacher="lagged", **kwargs):
    model = tpl.PseudoLabelModel(classifier, teacher=teacher, **kwargs)
    model.compile(optimizer or keras.optimizers.SGD(0.5), LOSS)
    model.alpha.assign(1.0)
    return model


def _streams(x_u=X_U, batch_u=4):
    """Three updates an epoch."""
    labeled = tf.data.Dataset.from_tensor_slices((X, Y)).batch(6)
    unlabeled = tf.data.Dataset.from_tensor_slices(x_u).batch(batch_u)
    return tpl.merge_streams(labeled, unlabeled)


def _fit(model, epochs=1, streams=None, **kwargs):
    return model.fit(streams or _streams(), epochs=epochs, verbose=0, **kwargs)


def _assert_same(model, other):
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_names():
    assert set(teachers.TEACHERS) == {"inference", "training", "lagged"}


# The network itself.


def test_inference_teacher_switches_dropout_off():
    model = keras.Sequential([keras.layers.Dropout(0.5)])
    x = tf.ones([4, 100])

    np.testing.assert_array_equal(teachers.Inference().scores(model, x), x)


def test_training_teacher_has_no_scores_of_its_own():
    assert teachers.Training().scores(None, X_U) is None


@pytest.mark.parametrize("kind", [teachers.Inference, teachers.Training])
def test_the_network_itself_needs_no_preparation(kind):
    classifier = _linear()
    before = classifier.get_weights()
    kind().begin(classifier, 0)
    kind().end_epoch(classifier, 0)

    for a, b in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# The network as it was.


def _shaken(classifier):
    """Other weights, and other statistics of batch normalization."""
    for variable in classifier.weights:
        variable.assign(RNG.uniform(0.5, 2.0, size=variable.shape))


@pytest.mark.parametrize("new", [_linear, _normalizing])
@pytest.mark.parametrize("traced", [False, True])
def test_lagged_scores_are_those_of_the_copied_weights(new, traced):
    model = tpl.PseudoLabelModel(new(), teacher="lagged")
    teacher = model.teacher
    _shaken(model.classifier)
    teacher.begin(model.classifier, 0)
    expected = model.classifier(X_U, training=False)
    _shaken(model.classifier)
    moved = model.classifier.get_weights()

    def scores():
        return teacher.scores(model, tf.constant(X_U))

    found = tf.function(scores)() if traced else scores()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    now = model.classifier(X_U, training=False)
    assert np.abs(found - now).max() > 0.1
    # The pass leaves the weights as they were.
    for a, b in zip(moved, model.classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)

    teacher.end_epoch(model.classifier, 0)
    np.testing.assert_allclose(scores(), now, rtol=1e-6)


def test_lagged_has_dropout_off():
    model = tpl.PseudoLabelModel(
        keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)]),
        teacher="lagged",
    )
    model.teacher.begin(model.classifier, 0)

    np.testing.assert_array_equal(model.teacher.scores(model, X_U), X_U)


def test_lagged_weights_are_not_trained():
    model = _compiled(_linear())
    _fit(model)

    assert len(model.trainable_weights) == 2
    assert len(model.non_trainable_weights) == 2 + 1  # The copies, and alpha.


class _Teaching(keras.callbacks.Callback):
    """Notes what the teacher says and what the network does, batch by batch."""

    def __init__(self):
        super().__init__()
        self.said, self.network = [], []

    def on_train_batch_begin(self, batch, logs=None):
        teacher = self.model.teacher
        self.said.append(teacher.scores(self.model, tf.constant(X_U)).numpy())
        self.network.append(self.model.classifier(X_U, training=False).numpy())


def test_labels_of_an_epoch_are_those_of_its_beginning():
    model, notes = _compiled(_normalizing()), _Teaching()
    _fit(model, epochs=2, callbacks=[notes])

    for epoch in range(2):
        for batch in range(3 * epoch, 3 * epoch + 3):
            np.testing.assert_allclose(
                notes.said[batch], notes.network[3 * epoch], rtol=1e-6
            )
    # The network moved with every batch.
    for batch in range(5):
        moved = np.abs(notes.network[batch + 1] - notes.network[batch]).max()
        assert moved > 1e-3


def test_a_second_fit_begins_with_the_weights_at_hand():
    model = _compiled(_linear())
    _fit(model)
    model.classifier.set_weights(
        [w + 1 for w in model.classifier.get_weights()]
    )
    expected = model.classifier(X_U).numpy()
    notes = _Teaching()
    _fit(model, callbacks=[notes])

    np.testing.assert_allclose(notes.said[0], expected, rtol=1e-6)


def test_other_callbacks_of_an_epochs_end_see_the_new_teacher():
    """What they save is what the next epoch begins with."""
    same = []

    def compare(epoch, logs):
        said = model.teacher.scores(model, tf.constant(X_U))
        same.append(np.allclose(said, model.classifier(X_U), atol=1e-6))

    model = _compiled(_linear())
    callback = keras.callbacks.LambdaCallback(on_epoch_end=compare)
    _fit(model, epochs=2, callbacks=callback)
    assert same == [True, True]

    callbacks = keras.callbacks.CallbackList(
        [callback], add_history=True, model=model
    )
    _fit(model, epochs=2, callbacks=callbacks)
    assert same == [True] * 4


def _trained_in_passes(new, epochs):
    """Labels all rows once per epoch with `predict`, then trains on them."""
    classifier = new()
    optimizer = keras.optimizers.SGD(0.5)
    for _ in range(epochs):
        labels = classifier.predict(X_U, verbose=0).argmax(axis=-1)
        for start in range(0, len(X_U), 4):
            rows = slice(start, start + 4)
            with tf.GradientTape() as tape:
                loss = LOSS(Y, classifier(X, training=True))
                loss += LOSS(labels[rows], classifier(X_U[rows], training=True))
            weights = classifier.trainable_weights
            optimizer.apply(tape.gradient(loss, weights), weights)
    return classifier


@pytest.mark.parametrize("new", [_linear, _normalizing])
def test_lagged_equals_one_inference_pass_before_every_epoch(new):
    model = _compiled(new())
    _fit(model, epochs=3)
    expected = _trained_in_passes(new, epochs=3)

    for a, b in zip(
        model.classifier.get_weights(), expected.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)
    # Labels made anew at every update are others.
    anew = _compiled(new(), teacher="inference")
    _fit(anew, epochs=3)
    differences = [
        np.abs(a - b).max()
        for a, b in zip(
            model.classifier.get_weights(),
            anew.classifier.get_weights(),
            strict=True,
        )
    ]
    assert max(differences) > 1e-3


def test_saved_between_epochs_as_if_never_saved(tmp_path):
    def new():
        return _compiled(_normalizing(), keras.optimizers.Adam(0.3))

    uninterrupted, model = new(), new()
    _fit(uninterrupted, epochs=4)
    _fit(model, epochs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    _assert_same(loaded, model)
    _fit(loaded, initial_epoch=2, epochs=4)
    _assert_same(loaded, uninterrupted)


def test_saved_within_an_epoch_the_teacher_stays_as_it_was(tmp_path):
    model = _compiled(_normalizing())
    path = tmp_path / "model.keras"

    class Save(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.save(path)
                x_u = tf.constant(X_U)
                self.said = self.model.teacher.scores(self.model, x_u).numpy()

    save = Save()
    _fit(model, callbacks=[save])
    loaded = keras.saving.load_model(path)

    np.testing.assert_allclose(
        loaded.teacher.scores(loaded, tf.constant(X_U)), save.said, rtol=1e-6
    )
    now = loaded.classifier(X_U, training=False)
    assert np.abs(save.said - now).max() > 1e-3


def test_two_replicas_equal_one(two_replicas):
    def trained(strategy):
        with strategy.scope():
            model = _compiled(_linear())
        return model, _fit(model, epochs=2).history

    one, expected = trained(tf.distribute.get_strategy())
    two, logs = trained(two_replicas)

    for a, b in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for key, values in expected.items():
        np.testing.assert_allclose(logs[key], values, rtol=1e-5, err_msg=key)


def test_labels_made_every_few_epochs():
    model = _compiled(_linear(), teacher=tpl.Lagged(every=3))
    said, weights = [], []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: (
            said.append(model.teacher.scores(model, tf.constant(X_U)).numpy()),
            weights.append(model.classifier.get_weights()),
        )
    )
    before = model.classifier.get_weights()
    _fit(model, epochs=5, callbacks=[look])

    def scores(kernel, bias):
        return X_U @ kernel + bias

    for found in said[:2]:
        np.testing.assert_allclose(found, scores(*before), atol=1e-6)
    for found in said[2:]:
        np.testing.assert_allclose(found, scores(*weights[2]), atol=1e-6)


@pytest.mark.parametrize("kind", teachers.TEACHERS.values())
def test_a_teacher_is_saved_with_the_model(kind, tmp_path):
    options = {"every": 4} if kind is teachers.Lagged else {}
    model = _compiled(_linear(), teacher=kind(**options))
    _fit(model)
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert type(loaded.teacher) is kind
    assert getattr(loaded.teacher, "every", None) == options.get("every")
    _assert_same(model, loaded)


def test_labels_last_an_epoch_at_least():
    with pytest.raises(ValueError, match="at least 1; got 0"):
        tpl.Lagged(every=0)


def test_a_fit_that_goes_on_keeps_the_labels_it_has():
    """As the rest of an interrupted run has it."""
    weights = []
    for begins in ([0], [0, 1, 3, 4]):
        model = _compiled(_linear(), teacher=tpl.Lagged(every=3))
        for begin, end in zip(begins, [*begins[1:], 6], strict=True):
            _fit(model, epochs=end, initial_epoch=begin)
        weights.append(model.get_weights())

    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
