"""The recipe mnist_conv with its loops written by hand, in any framework.

As the 2020 reproduction of Lee's paper has it: an update on every unlabeled
batch (also while alpha is 0, where `fit` leaves out the network's passes), and
a pass over the labels before every so many of them. `recipe.py` starts
`bare_recipe.py` and `pytorch_recipe.py`, which are timed here.
"""

import dataclasses
import json
import pathlib
import time
import types

import numpy as np


def write(directory, recipe, split):
    """Leaves a recipe and its images for another process.

    Args:
        directory: Path.
        recipe: A `Recipe`.
        split: A `Split`.
    """
    parts = {
        field.name: getattr(split, field.name)
        for field in dataclasses.fields(split)
    }
    arrays = {f"x_{name}": part.read() for name, part in parts.items()}
    # PyTorch's losses take labels of 64 bits alone.
    arrays |= {
        f"y_{name}": part.labels.astype(np.int64)
        for name, part in parts.items()
    }
    np.savez(pathlib.Path(directory, "images.npz"), **arrays)
    text = json.dumps(dataclasses.asdict(recipe))
    pathlib.Path(directory, "recipe.json").write_text(text)


def read(directory):
    """Returns what `write` has left: a recipe's values and a dict of arrays."""
    text = pathlib.Path(directory, "recipe.json").read_text()
    arrays = np.load(pathlib.Path(directory, "images.npz"))
    return types.SimpleNamespace(**json.loads(text)), dict(arrays)


def train(network, recipe, data):
    """Trains as the recipe says.

    Args:
        network: Something with the methods `on_labels(x, y)` and
            `on_own_labels(x_u, alpha)`, an update each, and `accuracy(x, y)`.
        recipe: What `read` returned.
        data: Dict of arrays or tensors, by the names that `read` gives them.

    Returns:
        The accuracy on test images.
    """
    rng = np.random.default_rng(recipe.seed)
    x, y, x_u = data["x_labeled"], data["y_labeled"], data["x_unlabeled"]

    def batches(rows, size):
        return np.split(rng.permutation(rows), range(size, rows, size))

    def pass_over_labels():
        for rows in batches(len(x), recipe.labeled_batch):
            network.on_labels(x[rows], y[rows])

    def alpha_at(t):
        ramp = (t - recipe.t1) / (recipe.t2 - recipe.t1)
        return recipe.alpha_f * min(max(ramp, 0.0), 1.0)

    def accuracy(part):
        return network.accuracy(data[f"x_{part}"], data[f"y_{part}"])

    for _ in range(recipe.labeled_epochs):
        pass_over_labels()
        accuracy("validation")
    # The first pass over the labels of this phase is at t = labeled_epochs.
    t = recipe.labeled_epochs - 1
    for _ in range(recipe.labeled_epochs, recipe.epochs):
        rows_u = batches(len(x_u), recipe.unlabeled_batch)
        for number, rows in enumerate(rows_u):
            if number % recipe.unlabeled_batches == 0:
                pass_over_labels()
                t += 1
            network.on_own_labels(x_u[rows], alpha_at(t))
        accuracy("validation")
    return accuracy("test")


def report(make_network, recipe, data):
    """Trains; prints seconds and test accuracy as JSON.

    Args:
        make_network: Function of the recipe that returns what `train` takes.
        recipe: As for `train`.
        data: As for `train`.
    """
    start = time.perf_counter()
    accuracy = train(make_network(recipe), recipe, data)
    seconds = time.perf_counter() - start
    print(json.dumps({"the recipe": seconds, "accuracy": accuracy}))
