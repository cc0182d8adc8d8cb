import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import model_of, streams
from tf_pseudolabel.losses import Term

TERMS = [tpl.ClassPrior, tpl.ConditionalEntropy, tpl.MinimumEntropy]


class Constantly(Term):
    def __init__(self, value=2.0, weight=1.0, name=None):
        super().__init__(weight, name)
        self.value = value

    def sums(self, context):
        rows = tf.cast(context.unlabeled.count, tf.float32)
        return self.value * rows, rows

    def get_config(self):
        return {**super().get_config(), "value": self.value}


@pytest.mark.parametrize("kind", TERMS)
def test_serialization(kind):
    config = keras.saving.serialize_keras_object(kind(0.3, name="mine"))
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is kind
    assert restored.weight == 0.3
    assert restored.name == "mine"


def test_weights_of_the_literature():
    assert [kind().weight for kind in TERMS] == [0.8, 1.0, 0.4]


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", TERMS)
def test_weights_that_cannot_be_meant_are_refused(kind, weight):
    with pytest.raises(ValueError, match=f"`weight` must be .*got {weight}"):
        kind(weight)


def test_a_term_must_say_what_is_summed():
    class Empty(Term):
        pass

    with pytest.raises(TypeError, match=r"Empty must define sums\("):
        Empty().sums(None)


def test_ones_own_terms_are_logged_by_name_and_come_back(tmp_path):
    model = model_of(
        terms=[Constantly(2.0, 0.5, name="two"), Constantly(3.0, name="three")]
    )
    model.alpha.assign(10.0)
    logs = model.fit(streams(), verbose=0).history
    assert logs["two"] == [2.0]
    assert logs["three"] == [3.0]
    whole = logs["labeled_loss"][0] + 10 * (
        logs["unlabeled_loss"][0] + 0.5 * 2 + 3
    )
    np.testing.assert_allclose(logs["loss"], [whole], rtol=1e-6)
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [term.name for term in loaded.terms] == ["two", "three"]
    assert [term.value for term in loaded.terms] == [2.0, 3.0]
