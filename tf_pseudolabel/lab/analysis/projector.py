"""Outputs as points in TensorBoard's projector, with their pictures."""

import math
import pathlib

import numpy as np
from matplotlib import image as png
from tensorboard.plugins import projector

THUMBNAIL = 28  # pixels; TensorBoard takes sheets of up to 8192


def write(directory, outputs, labels, class_names, pictures=None):
    """Writes what TensorBoard's projector shows.

    Args:
        directory: The directory that TensorBoard is given, or one below it that
            holds a run.
        outputs: Dict from the name of a network to its outputs for the same
            rows, float array `(n, classes)`.
        labels: True class ids `(n,)`.
        class_names: List of strings, one per class.
        pictures: Array `(n, height, width)` or `(n, height, width, 3)`, floats
            from 0, which is black, to 1. Defaults to points alone.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = projector.ProjectorConfig()
    for name, rows in outputs.items():
        np.savetxt(directory / f"{name}.tsv", rows, fmt="%.6g", delimiter="\t")
        embedding = config.embeddings.add()
        embedding.tensor_name = name
        embedding.tensor_path = f"{name}.tsv"
        embedding.metadata_path = "metadata.tsv"
        if pictures is not None:
            embedding.sprite.image_path = "sprite.png"
            embedding.sprite.single_image_dim.extend([THUMBNAIL, THUMBNAIL])
    (directory / "metadata.tsv").write_text(
        _metadata(outputs, labels, class_names), encoding="utf-8"
    )
    if pictures is not None:
        sheet = _sheet(pictures)
        png.imsave(directory / "sprite.png", sheet, cmap="gray", vmin=0, vmax=1)
    projector.visualize_embeddings(str(directory), config)


def _metadata(outputs, labels, class_names):
    """A line per row: its class, and what each network says."""
    # A tab or a line break in a name would end the cell.
    names = [" ".join(name.split()) for name in class_names]
    columns = {"class": [names[label] for label in labels]}
    for name, rows in outputs.items():
        columns[name] = [names[label] for label in rows.argmax(axis=-1)]
    lines = [columns.keys(), *zip(*columns.values(), strict=True)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _sheet(pictures):
    """Thumbnails in a square, row by row."""
    side = math.ceil(math.sqrt(len(pictures)))
    rows, columns = (
        np.arange(THUMBNAIL) * size // THUMBNAIL for size in pictures.shape[1:3]
    )
    thumbnails = pictures[:, rows][:, :, columns]
    shape = (side * side, *thumbnails.shape[1:])
    cells = np.zeros(shape, np.float32)
    cells[: len(thumbnails)] = thumbnails
    cells = cells.reshape(side, side, *shape[1:]).swapaxes(1, 2)
    return cells.reshape(side * THUMBNAIL, side * THUMBNAIL, *shape[3:])
