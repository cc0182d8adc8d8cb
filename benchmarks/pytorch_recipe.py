"""The recipe mnist_conv in eager PyTorch, a process of its own.

`recipe.py` starts it; its argument is the directory with recipe and images.
"""

import sys

import by_hand
import torch
from pytorch import conv
from torch.nn import functional


class Network:
    """The network and its updates."""

    def __init__(self, recipe):
        torch.manual_seed(recipe.seed)
        self.network = conv(recipe.dropout)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), recipe.learning_rate
        )

    def on_labels(self, x, labels, weight=1.0):
        """An update on rows with labels, given or made."""
        loss = weight * functional.cross_entropy(self.network(x), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def on_own_labels(self, x_u, alpha):
        """An update on rows that the network itself labels."""
        self.network.eval()
        with torch.no_grad():
            labels = self.network(x_u).argmax(dim=1)
        self.network.train()
        self.on_labels(x_u, labels, alpha)

    def accuracy(self, x, y):
        """The share of rows that are classified as labeled."""
        self.network.eval()
        with torch.no_grad():
            correct = sum(
                (self.network(part).argmax(dim=1) == labels).sum().item()
                for part, labels in zip(x.split(256), y.split(256), strict=True)
            )
        self.network.train()
        return correct / len(y)


def main(directory):
    """Trains on images as floats, channels in front."""
    recipe, arrays = by_hand.read(directory)
    data = {name: torch.from_numpy(values) for name, values in arrays.items()}
    for name, values in data.items():
        if name.startswith("x"):
            data[name] = values.permute(0, 3, 1, 2).contiguous() / 255.0
    by_hand.report(Network, recipe, data)


if __name__ == "__main__":
    main(*sys.argv[1:])
