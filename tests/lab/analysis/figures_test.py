import math
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tf_pseudolabel.lab.analysis import figures

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
DIGITS = [str(digit) for digit in range(10)]


def _history(epochs=20):
    rows = []
    for epoch in range(1, epochs + 1):
        climb = 0.8 - 0.6 * math.exp(-epoch)
        unknown = {"pseudo_label_accuracy": math.nan}
        known = {"pseudo_label_accuracy": climb - 0.01}
        rows.append(
            {"arm": "supervised", "epoch": epoch, "alpha": 0.0}
            | {"val_accuracy": climb}
            | unknown
        )
        rows.append(
            {"arm": "pseudo_label", "epoch": epoch, "alpha": epoch / 10}
            | {"val_accuracy": climb + 0.02}
            | (known if epoch > 1 else unknown)
        )
    return rows


def _mistakes(count=60, channels=(), dtype=np.uint8):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 6, 6, *channels)).astype(dtype)
    true = generator.integers(0, 10, count)
    confidence = generator.permutation(count) / count
    return images, true, (true + 1) % 10, confidence


def _legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def _draw_embeddings(classes, panels=2):
    labels = np.arange(40) % classes
    points = np.random.default_rng(0).normal(size=(panels, 40, 2))
    titles = ["Supervised", "Pseudo-Label"]
    return (
        dict(zip(titles, points, strict=False)),
        labels,
        [f"class {index}" for index in range(classes)],
    )


# Learning curves


def test_curves_show_both_arms_and_alpha():
    figure = figures.draw_learning_curves(_history())
    axes, right = figure.axes
    supervised, pseudo, of_pseudo_labels = axes.lines
    rows = [row for row in _history() if row["arm"] == "pseudo_label"]
    np.testing.assert_array_equal(pseudo.get_xdata(), np.arange(1, 21))
    np.testing.assert_array_equal(
        pseudo.get_ydata(), [row["val_accuracy"] for row in rows]
    )
    np.testing.assert_allclose(
        supervised.get_ydata(), pseudo.get_ydata() - 0.02
    )
    np.testing.assert_array_equal(
        of_pseudo_labels.get_ydata(),
        [row["pseudo_label_accuracy"] for row in rows],
    )
    np.testing.assert_array_equal(
        right.lines[0].get_ydata(), [row["alpha"] for row in rows]
    )


def test_curves_are_labeled():
    figure = figures.draw_learning_curves(_history())
    axes, right = figure.axes
    assert axes.get_title() == "Validation accuracy over training"
    assert axes.get_xlabel() == "Epoch"
    assert axes.get_ylabel() == "Accuracy"
    assert right.get_ylabel().startswith("α")
    assert _legend_texts(figure) == [
        "Supervised: validation accuracy",
        "Pseudo-Label: validation accuracy",
        "Pseudo-Label: accuracy of the pseudo-labels",
        "Pseudo-Label: α (right axis)",
    ]


def test_curves_differ_in_color_and_in_line_style():
    figure = figures.draw_learning_curves(_history())
    lines = [line for axes in figure.axes for line in axes.lines]
    assert len({line.get_color() for line in lines}) == len(lines)
    assert len({line.get_linestyle() for line in lines}) == len(lines)


def test_curve_legend_covers_no_data():
    figure = figures.draw_learning_curves(_history())
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert not any(
        legend.overlaps(axes.get_tightbbox()) for axes in figure.axes
    )


def test_accuracy_axis_leaves_out_the_first_climb():
    figure = figures.draw_learning_curves(_history(200))
    low, high = figure.axes[0].get_ylim()
    assert 0.7 < low < 0.79
    assert 0.82 < high < 0.85


@pytest.mark.parametrize("arm", ["supervised", "pseudo_label"])
def test_one_arm_is_enough(arm):
    rows = [row for row in _history() if row["arm"] == arm]
    figure = figures.draw_learning_curves(rows)
    assert len(figure.axes) == (1 if arm == "supervised" else 2)
    assert len(_legend_texts(figure)) == (1 if arm == "supervised" else 3)


@pytest.mark.parametrize("value", [None, math.nan])
def test_pseudo_label_accuracy_may_be_unknown(value):
    rows = [{**row, "pseudo_label_accuracy": value} for row in _history()]
    assert len(figures.draw_learning_curves(rows).axes[0].lines) == 2
    for row in rows:
        del row["pseudo_label_accuracy"]
    assert len(figures.draw_learning_curves(rows).axes[0].lines) == 2


def test_a_single_epoch_shows_as_dots():
    rows = [{**row, "alpha": 0.0} for row in _history(1)]
    figure = figures.draw_learning_curves(rows)
    axes, right = figure.axes
    assert all(line.get_marker() == "o" for line in axes.lines)
    assert all(tick.is_integer() for tick in axes.get_xticks())
    assert right.get_ylim() == (0, 1)


@pytest.mark.parametrize("history", [[], [{"arm": "baseline", "epoch": 1}]])
def test_curves_refuse_other_arms(history):
    with pytest.raises(ValueError, match="supervised, pseudo_label only; got"):
        figures.draw_learning_curves(history)


# Embeddings


def test_embeddings_side_by_side():
    panels, labels, names = _draw_embeddings(10)
    figure = figures.draw_embeddings(panels, labels, names)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["(a) Supervised", "(b) Pseudo-Label"]
    for axes, points in zip(figure.axes, panels.values(), strict=True):
        assert axes.get_xlabel() == "t-SNE 1"
        assert axes.get_ylabel() == "t-SNE 2"
        assert not axes.get_xticks().size and not axes.get_yticks().size
        np.testing.assert_array_equal(axes.collections[0].get_offsets(), points)


@pytest.mark.parametrize("classes", [2, 10, 20])
def test_every_panel_has_the_colors_of_the_legend(classes):
    panels, labels, names = _draw_embeddings(classes)
    figure = figures.draw_embeddings(panels, labels, names)
    figure.draw_without_rendering()
    assert len(figure.legends) == 1
    assert _legend_texts(figure) == names
    shown = [line.get_color() for line in figure.legends[0].get_lines()]
    assert len(set(shown)) == classes
    expected = [to_hex(shown[label]) for label in labels]
    for axes in figure.axes:
        drawn = axes.collections[0].get_facecolors()
        assert [to_hex(color) for color in drawn] == expected


def test_many_classes_share_a_color_bar():
    panels, labels, names = _draw_embeddings(21)
    figure = figures.draw_embeddings(panels, labels, names)
    assert not figure.legends
    assert figure.axes[-1].get_ylabel() == "True class id"


def test_one_embedding_alone():
    panels, labels, names = _draw_embeddings(3, panels=1)
    figure = figures.draw_embeddings(panels, labels, names)
    assert [axes.get_title() for axes in figure.axes] == ["(a) Supervised"]


# Confident mistakes


def test_surest_mistakes_come_first():
    images, true, predicted, confidence = _mistakes()
    predicted[np.argmax(confidence)] = true[np.argmax(confidence)]
    figure = figures.draw_confident_mistakes(
        images, true, predicted, confidence, DIGITS
    )
    assert len(figure.axes) == 40
    assert figure.get_suptitle().endswith("(40 of 59)")
    for place, axes in enumerate(figure.axes):
        row = np.argsort(-confidence)[place + 1]
        assert axes.get_xlabel() == (
            f"predicted {predicted[row]},\n"
            f"true {true[row]}, {confidence[row]:.2f}"
        )
        np.testing.assert_allclose(
            axes.images[0].get_array(), images[row] / 255, rtol=1e-6
        )


@pytest.mark.parametrize(
    ("dtype", "max_value", "scale"),
    [(np.uint8, None, 255), (np.uint8, 16, 16), (np.float32, 255, 255)],
)
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_pictures_are_scaled_to_white(dtype, max_value, scale, channels):
    images, true, predicted, confidence = _mistakes(1, channels, dtype)
    figure = figures.draw_confident_mistakes(
        images, true, predicted, confidence, DIGITS, max_value=max_value
    )
    drawn = figure.axes[0].images[0]
    expected = np.clip(images[0] / scale, 0, 1)
    expected = expected[..., 0] if channels == (1,) else expected
    np.testing.assert_allclose(drawn.get_array(), expected, rtol=1e-6)
    assert drawn.get_clim() == (0, 1)


def test_float_pictures_reach_from_0_to_1():
    images, true, predicted, confidence = _mistakes(1, (), np.float32)
    figure = figures.draw_confident_mistakes(
        images / 255, true, predicted, confidence, DIGITS
    )
    drawn = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(drawn, images[0] / 255, rtol=1e-6)


def test_ids_are_shown():
    figure = figures.draw_confident_mistakes(
        *_mistakes(1), DIGITS, ids=["train/00017"]
    )
    assert figure.axes[0].get_xlabel().endswith("\ntrain/00017")


def test_long_names_do_not_overlap():
    names = [f"a rather long name {index}" for index in range(10)]
    figure = figures.draw_confident_mistakes(*_mistakes(40), names)
    figure.draw_without_rendering()
    boxes = [axes.xaxis.label.get_window_extent() for axes in figure.axes]
    for left, right in pairwise(boxes):
        assert not left.overlaps(right)
    assert "predicted a rather long…" in figure.axes[0].get_xlabel()


@pytest.mark.parametrize("count", [0, 5])
def test_no_mistakes_at_all(count):
    images, true, _, confidence = _mistakes(count)
    figure = figures.draw_confident_mistakes(
        images, true, true, confidence, DIGITS
    )
    assert not figure.axes
    message = f"No wrong pseudo-label among {count} rows"
    assert figure.texts[0].get_text() == message


# Saving


def _save_learning_curves(path):
    figures.learning_curves(_history(), path)


def _save_embeddings(path):
    figures.embeddings(*_draw_embeddings(10), path)


def _save_confident_mistakes(path):
    figures.confident_mistakes(
        *_mistakes(3), DIGITS, path, ids=[1, 2, 3], max_value=255
    )


SAVERS = pytest.mark.parametrize(
    "save",
    [_save_learning_curves, _save_embeddings, _save_confident_mistakes],
)


@SAVERS
def test_replaces_the_file_and_leaves_nothing_beside_it(tmp_path, save):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    save(str(path))
    assert path.read_bytes().startswith(PNG_SIGNATURE)
    assert list(tmp_path.iterdir()) == [path]


@SAVERS
def test_keeps_the_old_file_if_writing_fails(tmp_path, save, monkeypatch):
    def fail(self, file, **options):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="disk full"):
        save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


NAMES = [
    *("$0_to_$10", "$\\frac{$", "$$x^2$$", "_background", "a\nb"),
    *("</script><b>&amp;", "\\n", "{x} %s", " ", "naïve"),
]


def _rows(count):
    return np.arange(count) % len(NAMES)


def test_names_of_classes_are_drawn_as_they_are(tmp_path):
    """As formulas, some of them cannot be drawn at all."""
    places = np.random.default_rng(0).normal(size=(20, 2))
    figure = figures.draw_embeddings({"a": places}, _rows(20), NAMES)
    figures.save(figure, tmp_path / "a.png")
    assert _legend_texts(figure) == NAMES
    drawn = figure.legends[0].get_texts()
    assert not any(text.get_parse_math() for text in drawn)
    assert all(text.get_window_extent().width > 0 for text in drawn)


def test_names_under_pictures_are_drawn_as_they_are(tmp_path):
    figure = figures.draw_confident_mistakes(
        np.zeros((10, 4, 4), np.uint8),
        _rows(10),
        (_rows(10) + 1) % 10,
        np.linspace(1, 0.5, 10),
        NAMES,
        ids=[f"labeled/{name}/1.png" for name in NAMES],
    )
    figures.save(figure, tmp_path / "a.png")
    captions = [axes.xaxis.label for axes in figure.axes]
    assert captions[0].get_text() == (
        "predicted $\\frac{$,\ntrue $0_to_$10, 1.00\nlabeled/$0_to_$10/1.png"
    )
    assert not any(caption.get_parse_math() for caption in captions)
