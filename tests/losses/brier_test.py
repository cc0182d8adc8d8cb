import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import ONE_HOT, X, Y, softmax


@pytest.mark.parametrize("from_logits", [False, True])
def test_the_mean_over_classes_of_squared_errors(from_logits):
    scores = X[:, :3]
    p = softmax(scores) if from_logits else scores

    found = tpl.Brier(from_logits)(ONE_HOT[Y], scores)

    assert float(found) == pytest.approx(
        np.square(p - ONE_HOT[Y]).mean(), rel=1e-5
    )


def test_it_is_saved():
    loss = tpl.Brier(from_logits=True)
    made = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )

    assert made.get_config() == loss.get_config()
