"""The recipe mnist_conv in eager PyTorch, a process of its own.

Written as the 2020 reproduction of Lee's paper has it: an update on every
unlabeled batch, and a pass over the labels before every so many of them.
`recipe.py` starts it. Prints seconds and test accuracy.
"""

import sys
import time

import numpy as np
import torch
from pytorch import conv
from torch.nn import functional


def batches_of(rows, size):
    """The rows, shuffled, in batches."""
    return torch.split(torch.randperm(rows), size)


def accuracy(network, x, y):
    """The share of rows that are classified as labeled."""
    network.eval()
    with torch.no_grad():
        correct = sum(
            (network(part).argmax(dim=1) == labels).sum().item()
            for part, labels in zip(x.split(256), y.split(256), strict=True)
        )
    network.train()
    return correct / len(y)


class Training:
    """The network and its updates."""

    def __init__(self, learning_rate):
        self.network = conv()
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), learning_rate
        )

    def update(self, x, labels, weight=1.0):
        """One update on rows with labels, given or made."""
        loss = weight * functional.cross_entropy(self.network(x), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def pass_over(self, x, y, batch_size):
        """A pass over the labels."""
        for rows in batches_of(len(x), batch_size):
            self.update(x[rows], y[rows])

    def update_on_own_labels(self, x_u, alpha):
        """One update on rows that the network itself labels."""
        self.network.eval()
        with torch.no_grad():
            labels = self.network(x_u).argmax(dim=1)
        self.network.train()
        self.update(x_u, labels, alpha)


def main(
    images,
    labeled_epochs,
    epochs,
    batch_size,
    batch_size_u,
    unlabeled_batches,
    learning_rate,
    t1,
    t2,
    alpha_f,
):
    """Trains; the arguments are the fields of the recipe, in strings."""
    parts = {
        name: torch.from_numpy(values)
        for name, values in np.load(images).items()
    }
    for name, values in parts.items():
        if name.startswith("x"):
            parts[name] = values.permute(0, 3, 1, 2).contiguous() / 255.0
    labeled = parts["x"], parts["y"], int(batch_size)
    start = time.perf_counter()
    training = Training(float(learning_rate))
    for _ in range(int(labeled_epochs)):
        training.pass_over(*labeled)
        accuracy(training.network, parts["x_val"], parts["y_val"])
    # The first pass over the labels of this phase is at t = labeled_epochs.
    clock = int(labeled_epochs) - 1
    for _ in range(int(labeled_epochs), int(epochs)):
        rows_u = batches_of(len(parts["x_u"]), int(batch_size_u))
        for number, rows in enumerate(rows_u):
            if number % int(unlabeled_batches) == 0:
                training.pass_over(*labeled)
                clock += 1
            ramp = (clock - float(t1)) / (float(t2) - float(t1))
            alpha = float(alpha_f) * min(max(ramp, 0.0), 1.0)
            training.update_on_own_labels(parts["x_u"][rows], alpha)
        accuracy(training.network, parts["x_val"], parts["y_val"])
    found = accuracy(training.network, parts["x_test"], parts["y_test"])
    print(time.perf_counter() - start, found)


if __name__ == "__main__":
    main(*sys.argv[1:])
