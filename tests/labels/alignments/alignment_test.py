import keras
import numpy as np
import tensorflow as tf

from tests.contexts import X_U, model_of, passed, softmax, streams
from tf_pseudolabel.labels.alignments import Alignment
from tf_pseudolabel.labels.targets import Target


class Balanced(Alignment):
    """Divides by a running mean, which it moves before it uses it."""

    def build(self, spec):
        self.mean = self.state("mean", (spec.classes,), 1 / spec.classes)

    def probabilities(self, context, probabilities):
        rows = context.over_replicas(
            (tf.reduce_sum(probabilities, axis=0), tf.shape(probabilities)[0])
        )
        self.mean.assign(rows[0] / rows[1])
        return self.align(probabilities)

    def align(self, probabilities):
        ratio = probabilities / self.mean.value
        return ratio / tf.reduce_sum(ratio, axis=-1, keepdims=True)


class Both(Target):
    """Keeps what it is shown."""

    distributions = False

    def labels(self, beliefs, like):
        self.seen = beliefs
        return tf.cast(beliefs.ids, like.dtype)


def _aligned(p):
    ratio = p / p.mean(axis=0)
    return ratio / ratio.sum(axis=-1, keepdims=True)


def test_by_default_nothing_is_corrected():
    p = tf.constant([[0.2, 0.8]])

    assert Alignment().probabilities(None, p) is p
    assert Alignment().align(p) is p


def test_selection_and_target_see_raw_and_aligned_probabilities():
    target = Both()
    model = model_of(alignment=Balanced(), target=target)
    p = softmax(model.classifier(X_U).numpy())
    beliefs = passed(model).beliefs

    np.testing.assert_allclose(beliefs.raw, p, rtol=1e-5)
    np.testing.assert_allclose(beliefs.probabilities, _aligned(p), rtol=1e-4)
    np.testing.assert_array_equal(beliefs.ids, _aligned(p).argmax(axis=-1))
    np.testing.assert_allclose(
        beliefs.confidence, _aligned(p).max(axis=-1), rtol=1e-4
    )
    assert (_aligned(p).argmax(axis=-1) != p.argmax(axis=-1)).any()
    np.testing.assert_array_equal(beliefs.target, beliefs.ids)
    np.testing.assert_allclose(target.seen.raw, p, rtol=1e-5)


def test_outside_of_an_update_its_state_does_not_move():
    model = model_of(alignment=Balanced())
    passed(model)
    mean = model.alignment.mean.numpy()
    p = softmax(model.classifier(X_U[:3]).numpy())
    ratio = p / mean
    found = model.label(X_U[:3])

    np.testing.assert_array_equal(found.ids, ratio.argmax(axis=-1))
    np.testing.assert_allclose(
        found.confidence,
        (ratio / ratio.sum(axis=-1, keepdims=True)).max(axis=-1),
        rtol=1e-5,
    )
    np.testing.assert_array_equal(model.alignment.mean, mean)


def test_its_state_is_that_of_all_replicas_and_is_saved(two_replicas, tmp_path):
    with two_replicas.scope():
        model = model_of(rate=0.0, alignment=Balanced())
    p = softmax(model.classifier(X_U).numpy())
    model.fit(streams(), verbose=0)
    np.testing.assert_allclose(model.alignment.mean, p.mean(axis=0), rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert type(loaded.alignment) is Balanced
    np.testing.assert_array_equal(loaded.alignment.mean, model.alignment.mean)
