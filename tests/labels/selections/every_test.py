import keras
import numpy as np

from tests.contexts import beliefs_of, model_of, passed
from tf_pseudolabel.labels.selections import All


def test_all_rows_count():
    assert All().row_weights(None, beliefs_of(np.eye(3))) is None
    assert All().mean == "all"
    assert passed(model_of()).beliefs.weight is None


def test_serialization():
    config = keras.saving.serialize_keras_object(All())
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is All
    assert restored.get_config() == {}
