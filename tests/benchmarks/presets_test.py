import numpy as np
import presets
import pytest

import tf_pseudolabel as tpl


def test_unlabeled_rows_are_numbered():
    labeled, unlabeled = next(iter(presets.merged_stream(16)))
    x, _, index = unlabeled
    *_, x_u = presets.subjects.examples()
    np.testing.assert_array_equal(x, x_u[index])
    np.testing.assert_array_equal(labeled[1].numpy().sum(axis=1), np.ones(32))


def test_copies_share_the_rows_of_an_update():
    assert presets.model_of(tpl.presets.remixmatch)[1] == 2
    model, copies = presets.model_of(tpl.presets.lee2013)
    assert (copies, float(model.alpha)) == (1, 3.0)


@pytest.mark.slow
def test_presets_are_put_beside_supervised_updates(figures_of):
    found = figures_of(
        "presets.py", "--steps=1", "--rounds=1", "--presets=lee2013,flexmatch"
    )
    plain = found["supervised"]["median"]
    for name in ("lee2013", "flexmatch"):
        ratio = found[f"{name} / supervised"]["median"]
        assert ratio == pytest.approx(found[name]["median"] / plain)
