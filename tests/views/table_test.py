import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import X_U, X, Y, dataset, model_of
from tf_pseudolabel.views import Draws

ROWS = np.arange(40, dtype=np.float32).reshape(10, 4) + 100


def _draws(count=500):
    return Draws([1, 0], 0, 0, count, count)


def test_columns_are_those_of_rows_that_were_given():
    views = tpl.views.table(ROWS, share=0.6)
    x = tf.zeros([500, 4])

    seen = views.strong(x, _draws()).numpy()

    replaced = seen > 0
    assert replaced.mean() == pytest.approx(0.6, abs=0.04)
    for column in range(4):
        values = set(seen[replaced[:, column], column])
        assert values == set(ROWS[:, column])
    # Columns are drawn apart: hardly a row is one of those given.
    whole = replaced.all(axis=1)
    assert len(np.unique(seen[whole], axis=0)) > 30


def test_columns_that_belong_together_are_drawn_together():
    views = tpl.views.table(ROWS, share=0.5, groups=[7, 3, 3, 3])

    seen = views.strong(tf.zeros([500, 4]), _draws()).numpy()

    replaced = seen > 0
    assert (replaced[:, 1:] == replaced[:, 1:2]).all()
    together = seen[replaced[:, 1], 1:]
    assert {tuple(row) for row in together} == {tuple(r[1:]) for r in ROWS}
    assert (replaced[:, 0] != replaced[:, 1]).any()


def test_the_weak_view_is_the_row_unless_it_is_said_otherwise():
    assert tpl.views.table(ROWS).weak is None
    weak = tpl.views.table(ROWS, weak_share=0.1).weak

    seen = weak(tf.zeros([500, 4]), _draws()).numpy()
    assert np.mean(seen > 0) == pytest.approx(0.1, abs=0.03)


def test_in_a_model_that_is_saved(tmp_path):
    model = model_of(views=tpl.views.table(X_U, seed=1))
    model.fit(
        tpl.merge_streams(dataset(X, Y), dataset(X_U)), epochs=2, verbose=0
    )
    model.save(tmp_path / "m.keras")

    loaded = keras.saving.load_model(tmp_path / "m.keras")

    x = tf.constant(X_U)
    np.testing.assert_array_equal(
        loaded.views.strong(x, _draws(12)), model.views.strong(x, _draws(12))
    )


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="training rows"):
        tpl.views.table(np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"must be finite.*got NaN"):
        tpl.views.table(np.array([[0.0, np.nan]]))
    with pytest.raises(ValueError, match="a number for each of 4 columns"):
        tpl.views.table(ROWS, groups=[1, 2])
    with pytest.raises(ValueError, match=r"one input \(batch, 4\)"):
        tpl.views.table(ROWS).check(tf.TensorSpec((None, 3)))
