"""The pictures of Lee's paper: margins, and what the first layer looks for."""

import numpy as np
from matplotlib.figure import Figure

from tf_pseudolabel.lab.analysis import predictions

BINS = 20
# Below it, a row lies near the decision boundary.
NEAR = 0.5
_COLORS = ("#0072B2", "#D55E00", "#009E73")


def draw_margins(outputs):
    """Draws how many rows lie near a decision boundary, network by network.

    Low-density separation (Lee 2013, section 3.1): the margin of a row is the
    difference of its two largest outputs. Shares are on a logarithmic axis, as
    most rows of any trained network have a margin near 1.

    Args:
        outputs: Dict from a name of rows, such as "test", to a dict from a
            network's name to its probabilities `(n, classes)`, `n >= 1`.

    Returns:
        A `matplotlib.figure.Figure`, a panel for every name of rows.
    """
    figure = Figure(figsize=(5.5 * len(outputs), 4), layout="constrained")
    all_axes = figure.subplots(ncols=len(outputs), squeeze=False, sharey=True)
    for axes, (rows, networks) in zip(
        all_axes[0], outputs.items(), strict=True
    ):
        axes.set_title(f"{rows} rows")
        axes.set_xlabel("margin between the two largest outputs")
        axes.set_yscale("log")
        for color, (name, found) in zip(
            _COLORS, networks.items(), strict=False
        ):
            margins = predictions.margins(found)
            shares, edges = predictions.shares(margins, BINS)
            near = 100 * (margins < NEAR).mean()
            axes.stairs(
                shares,
                edges,
                color=color,
                linewidth=1.8,
                label=f"{name}: {near:.2f} % below {NEAR}",
            )
        axes.axvline(NEAR, color="gray", linewidth=0.8, linestyle=":")
        axes.legend(loc="upper center")
    all_axes[0][0].set_ylabel("share of the rows")
    return figure


def draw_filters(kernels, side, shown=48, columns=8):
    """Draws what units of the first layer look for (Lee 2013, figure 2).

    Units are drawn in their own order, of which neither training nor chance
    makes anything. Gray is a weight of 0; the scale is that of each unit.

    Args:
        kernels: Dict from a network's name to the weights of its first layer
            `(side * side, units)`.
        side: Int: width and height of the images.
        shown: How many units of a network at most. Defaults to 48.
        columns: Units per line. Defaults to 8.

    Returns:
        A `matplotlib.figure.Figure`, a panel for every network.
    """
    figure = Figure(figsize=(4.2 * len(kernels), 3.2), layout="constrained")
    all_axes = figure.subplots(ncols=len(kernels), squeeze=False)[0]
    for axes, (name, kernel) in zip(all_axes, kernels.items(), strict=True):
        axes.set_title(name)
        axes.set(xticks=[], yticks=[])
        axes.imshow(
            tiles(kernel[:, :shown], side, columns),
            cmap="gray",
            vmin=-1,
            vmax=1,
        )
    return figure


def tiles(kernel, side, columns):
    """Puts the weights of units side by side in one image.

    Args:
        kernel: Float array `(side * side, units)`.
        side: Int: width and height of a tile.
        columns: Int: tiles per line.

    Returns:
        Float array in `[-1, 1]`: every unit divided by its largest weight, a
        border of 1 between tiles.
    """
    units = kernel.shape[1]
    lines = -(-units // columns)
    sheet = np.ones((lines * (side + 1) - 1, columns * (side + 1) - 1))
    for unit in range(units):
        weights = kernel[:, unit].reshape(side, side)
        line, column = divmod(unit, columns)
        top, left = line * (side + 1), column * (side + 1)
        largest = np.abs(weights).max() or 1.0
        sheet[top : top + side, left : left + side] = weights / largest
    return sheet
