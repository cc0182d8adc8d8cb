import numpy as np
import pytest
from bokeh.core.validation import check_integrity
from bokeh.models import ColumnDataSource, HoverTool, Line, Text

from tf_pseudolabel.lab.analysis import calibration, charts


def _line(values, label="accuracy", dash="solid"):
    return charts.Line(label, np.arange(len(values)), values, "#000000", dash)


def _glyphs(plot, kind):
    return [r for r in plot.renderers if isinstance(r.glyph, kind)]


def _data(plot, kind):
    return [glyph.data_source.data for glyph in _glyphs(plot, kind)]


def _is_sound(plot):
    issues = check_integrity(plot.references())
    return not issues.error and not issues.warning


def test_curves_hold_their_values_and_dashes():
    lines = [
        _line([0.5, 0.75, np.nan]),
        _line([np.nan, 0.25, 1], "other", "dashed"),
    ]
    plot = charts.curves(lines, "Accuracy")
    first, second = _data(plot, Line)
    np.testing.assert_array_equal(first["y"], np.float32([0.5, 0.75, np.nan]))
    np.testing.assert_array_equal(second["x"], [0, 1, 2])
    assert [r.name for r in _glyphs(plot, Line)] == ["accuracy", "other"]
    dashes = [r.glyph.line_dash for r in _glyphs(plot, Line)]
    assert dashes[0] != dashes[1]
    assert plot.yaxis[0].axis_label == "Accuracy"
    assert _is_sound(plot)


def test_a_level_line_is_not_given_two_units():
    plot = charts.curves([_line([0.5, 0.5, np.nan])], "Accuracy")
    assert plot.y_range.start == pytest.approx(0.49)
    assert plot.y_range.end == pytest.approx(0.51)


def test_a_lone_value_is_a_point():
    plot = charts.curves([_line([np.nan, 0.5, np.nan])], "Accuracy")
    assert not _glyphs(plot, Line)
    assert len(plot.renderers) == 1


@pytest.mark.parametrize(("alpha", "top"), [([0.0, 2.0], 2.1), ([0.0, 0.0], 1)])
def test_the_right_axis_starts_at_zero(alpha, top):
    plot = charts.curves([_line([1, 2])], "A", right=_line(alpha, "alpha"))
    right = plot.extra_y_ranges["right"]
    assert (right.start, right.end) == (0, pytest.approx(top))
    assert plot.right[0].axis_label == "alpha"
    assert _is_sound(plot)


def test_heat_map_shows_counts_and_shades_shares():
    plot = charts.heat_map(np.array([[3, 1], [0, 0]]), ["cat", "dog"])
    cells = plot.renderers[0].data_source.data
    np.testing.assert_array_equal(cells["y"], [0, 0])
    np.testing.assert_array_equal(cells["x"], [0, 1])
    np.testing.assert_array_equal(cells["share"], [0.75, 0.25])
    np.testing.assert_array_equal(cells["text"], ["3", "1"])
    assert list(cells["predicted"]) == ["cat", "dog"]
    # A quarter of the way from white to #0072B2: 255 - (255 - channel) / 4.
    assert cells["fill"][1] == "#bfdcec"
    # Rows run downwards, as in a table.
    assert plot.y_range.start > plot.y_range.end
    assert _is_sound(plot)


def _contrast(one, other):
    """The contrast ratio of WCAG 2, between two colors #rrggbb."""

    def luminance(color):
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in channels
        ]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    bright, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_numbers_can_be_read_on_every_shade():
    for share in range(1, 101):
        counts = np.array([[share, 100 - share], [0, 1]])
        data = charts.heat_map(counts, ["a", "b"]).renderers[0].data_source.data
        for fill, ink in zip(data["fill"], data["ink"], strict=True):
            assert _contrast(fill, ink) > 4.5, share


def test_a_hundred_classes_have_no_numbers_and_few_cells():
    names = [f"class {index}" for index in range(100)]
    plot = charts.heat_map(np.diag(np.arange(100)), names)
    assert not _glyphs(plot, Text)
    assert len(plot.renderers[0].data_source.data["x"]) == 99


def test_reliability_leaves_out_empty_bins():
    bins = calibration.reliability([0.7, 0.9], [True, False], bins=2)
    plot = charts.reliability(bins, "#000000")
    data = plot.renderers[0].data_source.data
    np.testing.assert_array_equal(data["left"], [0.5])
    np.testing.assert_allclose(data["accuracy"], [0.5])
    np.testing.assert_allclose(data["confidence"], [0.8])
    assert _is_sound(plot)


def test_histograms_are_outlines_and_empty_bins_lie_on_the_floor():
    edges = np.array([0, 0.5, 1])
    line = _line(np.array([0.0, 1.0]), "arm")
    plot = charts.histogram(edges, [line], count=50, x_label="Margin")
    (outline,) = _data(plot, Line)
    np.testing.assert_array_equal(outline["x"], [0, 0.5, 0.5, 1])
    np.testing.assert_allclose(outline["y"], [0.01, 0.01, 1, 1])
    assert plot.y_range.start == 0.01
    np.testing.assert_array_equal(
        plot.renderers[1].data_source.data["share"], [0, 1]
    )
    assert _is_sound(plot)


def _points(x, y):
    count = len(x)
    return ColumnDataSource(
        {
            "x_supervised": np.array(x, np.float32),
            "y_supervised": np.array(y, np.float32),
            "predicted_supervised": ["a"] * count,
            "confidence_supervised": np.ones(count),
            "marker_supervised": ["circle"] * count,
            "color": ["#000000"] * count,
            "true": ["a"] * count,
            "image": ["data:,"] * count,
            "id": ["row"] * count,
        }
    )


def test_embedding_is_square_and_shows_images():
    source = _points([0, 10], [0, 2])
    plot = charts.embedding(source, "supervised", [("a", (0, 0))])
    spans = [r.end - r.start for r in (plot.x_range, plot.y_range)]
    assert spans[0] == pytest.approx(spans[1]) and spans[0] > 10
    (hover,) = plot.select({"type": HoverTool})
    assert '<img src="@image" alt=' in hover.tooltips
    assert "@predicted_supervised" in hover.tooltips
    assert plot.toolbar.active_drag is plot.toolbar.active_scroll is None
    assert _is_sound(plot)


@pytest.mark.parametrize("labels", [[], [("a", (0.0, 0.0))]])
def test_embedding_of_a_collapsed_network_is_one_point(labels):
    plot = charts.embedding(_points([0, 0], [0, 0]), "supervised", labels)
    assert plot.x_range.start < 0 < plot.x_range.end
    assert _is_sound(plot)


def test_long_names_are_cut():
    assert charts.shorten("short") == "short"
    assert charts.shorten("a" * 14) == "a" * 14
    assert charts.shorten("a" * 15) == "a" * 13 + "…"
