"""The pictures of a comparison, as PNG files.

Each picture has a function that draws it and one that draws and saves it. They
use matplotlib's objects, not pyplot: no display and no global state.
"""

import os
from pathlib import Path
from string import ascii_lowercase

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

DPI = 150

# Okabe & Ito's colors, which color-blind people can tell apart.
ARMS = {
    "supervised": {
        "label": "Supervised: validation accuracy",
        "color": "#0072B2",
        "linestyle": "--",
        "markersize": 5,
    },
    "pseudo_label": {
        "label": "Pseudo-Label: validation accuracy",
        "color": "#D55E00",
        "linestyle": "-",
        "markersize": 5,
    },
}
PSEUDO_LABEL_ACCURACY = {
    "label": "Pseudo-Label: accuracy of the pseudo-labels",
    "color": "#009E73",
    "linestyle": ":",
    "linewidth": 1.2,
    "markersize": 3,
}
ALPHA = {
    "label": "Pseudo-Label: α (right axis)",
    "color": "#999999",
    "linestyle": "-.",
    "linewidth": 0.8,
    "markersize": 3,
}

# Hides the climb of the first epochs, beside which differences between the arms
# would be too small to see.
LOW_PERCENTILE = 5
SMALLEST_MARGIN = 0.005

MAX_LEGEND_CLASSES = 20

SHEET_ROWS = 5
SHEET_COLUMNS = 8
MAX_CAPTION_NAME = 14


def learning_curves(history, path):
    """Saves the picture of `draw_learning_curves`.

    Args:
        history: As for `draw_learning_curves`.
        path: PNG file to write or replace, in an existing directory.
    """
    save(draw_learning_curves(history), path)


def draw_learning_curves(history):
    """Draws validation accuracy over epochs, and alpha on a second axis.

    The dot at the end of a line is the last epoch. The accuracy axis starts
    near the 5th percentile of what it shows, not at 0.

    Args:
        history: List of dicts, one per arm and epoch in order of epochs, with
            the keys `arm` (`"supervised"` or `"pseudo_label"`), `epoch` (int),
            `val_accuracy` (float in `[0, 1]`) and, for the pseudo-label arm,
            `alpha` (float) and maybe `pseudo_label_accuracy` (float in
            `[0, 1]`, NaN where unknown). One arm is enough.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there are no rows, or rows of another arm.
    """
    arms = _rows_by_arm(history)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xlabel="Epoch", ylabel="Accuracy")
    axes.set_title("Validation accuracy over training")
    for arm, rows in arms.items():
        _curve(axes, rows, "val_accuracy", **ARMS[arm])
    if "pseudo_label" in arms:
        rows = arms["pseudo_label"]
        _curve(axes, rows, "pseudo_label_accuracy", **PSEUDO_LABEL_ACCURACY)
        _draw_alpha(axes, rows)
    axes.set_ylim(_accuracy_limits(axes.lines))
    whole_epochs = MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    axes.xaxis.set_major_locator(whole_epochs)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _rows_by_arm(history):
    arms = {arm: [row for row in history if row["arm"] == arm] for arm in ARMS}
    found = {row["arm"] for row in history}
    if not found or found - ARMS.keys():
        raise ValueError(
            f"A history has rows of the arms {', '.join(ARMS)} only; got "
            f"{sorted(found)}; pass the rows of history.csv"
        )
    return {arm: rows for arm, rows in arms.items() if rows}


def _curve(axes, rows, key, **style):
    """Draws one column of the history unless it is empty."""
    values = np.array([row.get(key) for row in rows], dtype=np.float64)
    if np.isnan(values).all():
        return
    epochs = [row["epoch"] for row in rows]
    axes.plot(epochs, values, marker="o", markevery=[-1], **style)


def _draw_alpha(axes, rows):
    right = axes.twinx()
    right.set_ylabel("α, weight of the unlabeled loss", color="dimgray")
    right.tick_params(axis="y", colors="dimgray")
    _curve(right, rows, "alpha", **ALPHA)
    largest = max(row["alpha"] for row in rows)
    right.set_ylim(0, 1.05 * largest if largest > 0 else 1)
    # The accuracies are drawn over alpha, not under it.
    axes.set_zorder(right.get_zorder() + 1)
    axes.patch.set_visible(False)


def _accuracy_limits(lines):
    accuracies = np.concatenate([line.get_ydata() for line in lines])
    low = np.nanpercentile(accuracies, LOW_PERCENTILE)
    high = np.nanmax(accuracies)
    margin = max(0.05 * (high - low), SMALLEST_MARGIN)
    return low - margin, high + margin


def embeddings(panels, labels, class_names, path):
    """Saves the picture of `draw_embeddings`.

    Args:
        panels: As for `draw_embeddings`.
        labels: As for `draw_embeddings`.
        class_names: As for `draw_embeddings`.
        path: PNG file to write or replace, in an existing directory.
    """
    save(draw_embeddings(panels, labels, class_names), path)


def draw_embeddings(panels, labels, class_names):
    """Draws embeddings of the same rows side by side, colored by true class.

    Up to 20 classes share one legend; more share a color bar of class ids.

    Args:
        panels: Dict from title to float array `(n, 2)`; see `embedding.embed`.
        labels: True class ids `(n,)`, integers in `[0, len(class_names))`.
        class_names: List of strings, one per class.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure = Figure(figsize=(4.5 * len(panels) + 1.5, 5), layout="constrained")
    all_axes = figure.subplots(ncols=len(panels), squeeze=False)[0]
    colors = class_colors(len(class_names))
    for letter, axes, title in zip(
        ascii_lowercase, all_axes, panels, strict=False
    ):
        axes.set_title(f"({letter}) {title}")
        dots = axes.scatter(*panels[title].T, c=labels, s=6, cmap=colors)
        dots.set_clim(-0.5, len(class_names) - 0.5)
        axes.set(xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
        # A square, in which distances mean the same in both directions.
        axes.set_box_aspect(1)
        axes.set_aspect("equal", adjustable="datalim")
    if len(class_names) > MAX_LEGEND_CLASSES:
        figure.colorbar(dots, ax=list(all_axes), label="True class id")
    else:
        _draw_class_legend(figure, class_names, colors)
    return figure


def class_colors(count):
    """Returns a matplotlib color map that tells classes apart.

    Args:
        count: Number of classes.
    """
    if count > MAX_LEGEND_CLASSES:
        return matplotlib.colormaps["turbo"]
    # petroff10 was designed for color-blind people, but has only ten colors.
    sequence = "petroff10" if count <= 10 else "tab20"
    return ListedColormap(matplotlib.color_sequences[sequence][:count])


def _draw_class_legend(figure, class_names, colors):
    dots = [
        Line2D([], [], linestyle="", marker="o", color=color)
        for color in colors.colors
    ]
    legend = figure.legend(
        dots, class_names, title="True class", loc="outside right center"
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # A name is no formula.


def confident_mistakes(
    images,
    true,
    predicted,
    confidence,
    class_names,
    path,
    ids=None,
    max_value=None,
):
    """Saves the picture of `draw_confident_mistakes`.

    Args:
        images: As for `draw_confident_mistakes`.
        true: As for `draw_confident_mistakes`.
        predicted: As for `draw_confident_mistakes`.
        confidence: As for `draw_confident_mistakes`.
        class_names: As for `draw_confident_mistakes`.
        path: PNG file to write or replace, in an existing directory.
        ids: As for `draw_confident_mistakes`.
        max_value: As for `draw_confident_mistakes`.
    """
    figure = draw_confident_mistakes(
        images, true, predicted, confidence, class_names, ids, max_value
    )
    save(figure, path)


def draw_confident_mistakes(
    images, true, predicted, confidence, class_names, ids=None, max_value=None
):
    """Draws the 40 wrong pseudo-labels that the network is surest of.

    Rows that are right are left out; the rest is sorted by confidence.

    Args:
        images: `(n, height, width)` or `(n, height, width, 1)` gray, or
            `(n, height, width, 3)` RGB; integers or floats, 0 is black.
        true: True class ids `(n,)`.
        predicted: Pseudo-labels `(n,)`, class ids.
        confidence: Float array `(n,)` in `[0, 1]`.
        class_names: List of strings, one per class.
        ids: Sequence `(n,)` of what identifies a row, shown under its picture.
            Defaults to showing nothing.
        max_value: The value of white. Defaults to the largest of an integer
            dtype and 1 for floats.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    shown, total = surest_mistakes(true, predicted, confidence)
    if not total:
        return _draw_no_mistakes(len(true))
    figure, all_axes = _sheet(len(shown))
    count = f"{len(shown)} of {total}"
    figure.suptitle(f"Most confident wrong pseudo-labels ({count})")
    pictures = displayable(images[shown], max_value)
    for axes, row, picture in zip(all_axes, shown, pictures, strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        caption = (
            f"predicted {_short(class_names[predicted[row]])},\n"
            f"true {_short(class_names[true[row]])}, {confidence[row]:.2f}"
        )
        if ids is not None:
            caption += f"\n{ids[row]}"
        axes.set_xlabel(caption, fontsize=8, parse_math=False)
    return figure


def surest_mistakes(true, predicted, confidence):
    """Finds the mistakes that the network is surest of.

    Args:
        true: True class ids `(n,)`.
        predicted: Predicted class ids `(n,)`.
        confidence: Float array `(n,)`.

    Returns:
        A pair: indices of 40 wrong rows at most, surest first, and how many
        are wrong in all.
    """
    wrong = np.flatnonzero(np.not_equal(true, predicted))
    surest = np.argsort(-np.asarray(confidence)[wrong], kind="stable")
    return wrong[surest][: SHEET_ROWS * SHEET_COLUMNS], len(wrong)


def _draw_no_mistakes(count):
    figure = Figure(figsize=(6, 2))
    message = f"No wrong pseudo-label among {count} rows"
    figure.text(0.5, 0.5, message, ha="center", va="center", fontsize=14)
    return figure


def _sheet(count):
    """Returns a figure and `count` axes without ticks, row by row."""
    columns = min(count, SHEET_COLUMNS)
    rows = -(-count // SHEET_COLUMNS)
    size = (max(1.5 * columns, 5), 1.9 * rows + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(rows, columns)
    cells = [divmod(index, columns) for index in range(count)]
    all_axes = [
        figure.add_subplot(grid[cell], xticks=[], yticks=[]) for cell in cells
    ]
    return figure, all_axes


def displayable(images, max_value):
    """Scales images for display.

    Args:
        images: `(n, height, width)` or `(n, height, width, channels)`.
        max_value: The value of white; None: the largest of an integer dtype,
            and 1 for floats.

    Returns:
        Float32 images in `[0, 1]`, gray ones without a channel.
    """
    if max_value is None:
        integers = np.issubdtype(images.dtype, np.integer)
        max_value = np.iinfo(images.dtype).max if integers else 1
    scaled = np.clip(images.astype(np.float32) / max_value, 0, 1)
    gray = scaled.ndim == 4 and scaled.shape[-1] == 1
    return scaled[..., 0] if gray else scaled


def _short(name):
    """Returns a class name that fits under a picture."""
    if len(name) <= MAX_CAPTION_NAME:
        return name
    return name[: MAX_CAPTION_NAME - 1] + "…"


def save(figure, path):
    """Writes beside the place and renames, so that no half file is seen.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: PNG file to write or replace, in an existing directory.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    try:
        figure.savefig(partial, format="png", dpi=DPI)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
