import numpy as np
import pytest

from tf_pseudolabel.lab.analysis import paper_figures


def test_margins_by_hand():
    sure = np.array([[1.0, 0.0, 0.0]] * 3 + [[0.5, 0.4, 0.1]])
    unsure = np.array([[0.6, 0.4, 0.0]] * 4)

    figure = paper_figures.draw_margins(
        {"Test": {"one": unsure, "other": sure}, "Unlabeled": {"one": sure}}
    )

    test, unlabeled = figure.axes
    assert (test.get_title(), unlabeled.get_title()) == (
        *("Test rows", "Unlabeled rows"),
    )
    one, other = test.patches
    # Bins are 0.05 wide: 0.2 and 0.1 (of 0.5 - 0.4) lie in the first ones.
    np.testing.assert_allclose(one.get_data().values.sum(), 1)
    assert one.get_data().values[3:5].sum() == 1
    assert other.get_data().values[-1] == 0.75
    assert [text.get_text() for text in test.get_legend().get_texts()] == [
        *("one: 100.00 % below 0.5", "other: 25.00 % below 0.5"),
    ]


def test_tiles_by_hand():
    kernel = np.array([[1.0, 0, -1], [2, 0, -4], [-2, 0, 0], [0, 0, 2]])

    sheet = paper_figures.tiles(kernel, side=2, columns=2)

    np.testing.assert_array_equal(
        sheet,
        [
            [0.5, 1, 1, 0, 0],
            [-1, 0, 1, 0, 0],
            [1, 1, 1, 1, 1],
            [-0.25, -1, 1, 1, 1],
            [0, 0.5, 1, 1, 1],
        ],
    )


def test_filters_have_a_panel_per_network():
    rng = np.random.default_rng(0)
    figure = paper_figures.draw_filters(
        {"a": rng.normal(size=(9, 50)), "b": rng.normal(size=(9, 3))}, side=3
    )

    first, second = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["a", "b"]
    # 48 of the units, eight to a line.
    assert first.images[0].get_array().shape == (6 * 4 - 1, 8 * 4 - 1)
    assert second.images[0].get_array().shape == (3, 31)
    assert first.images[0].get_clim() == pytest.approx((-1, 1))
