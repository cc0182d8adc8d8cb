"""The same training step in PyTorch, a process of its own: `pip install torch`.

Eager as the 2020 reproduction of Lee's paper writes it, channels first; with
`channels_last`; or compiled. `step.py` starts it and tells it when it is its
turn: PyTorch and TensorFlow do not always bear each other in one process.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional


def conv(dropout=0.5):
    """The network `conv`, layer by layer."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(20, 40, 5),
        nn.Dropout2d(dropout),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(640, 150),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(150, 10),
    )


def mlp(dropout=0.5):
    """The network `mlp`, 784-5000-10."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 5000),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(5000, 10),
    )


NETWORKS = {"conv": conv, "mlp": mlp}


def cross_entropy(scores, labels):
    """Of a softmax, averaged over rows."""
    return functional.cross_entropy(scores, labels)


def summed_binary_cross_entropy(scores, labels):
    """Of a sigmoid per class, summed over classes, averaged over rows."""
    targets = functional.one_hot(labels, scores.shape[1]).to(scores.dtype)
    summed = functional.binary_cross_entropy_with_logits(
        scores, targets, reduction="sum"
    )
    return summed / len(scores)


LOSSES = {"conv": cross_entropy, "mlp": summed_binary_cross_entropy}
MOMENTUM = {"conv": 0.0, "mlp": 0.5}


def make_step(name, network, learning_rate, teacher, alpha=1.0):
    """Makes an update.

    Args:
        name: `"conv"` or `"mlp"`: which loss and momentum.
        network: A `torch.nn.Module`.
        learning_rate: Float: of a gradient averaged over past updates.
        teacher: `"inference"` or `"training"`.
        alpha: Float: the weight of the pseudo-label loss.

    Returns:
        A function of `x`, `y` and `x_u`, which returns the loss.
    """
    loss, momentum = LOSSES[name], MOMENTUM[name]
    optimizer = torch.optim.SGD(
        network.parameters(), learning_rate * (1 - momentum), momentum
    )

    def step(x, y, x_u):
        if teacher == "inference":
            network.eval()
            with torch.no_grad():
                believed = network(x_u)
            network.train()
        scores = network(torch.cat([x, x_u]))
        scores, scores_u = scores[: len(x)], scores[len(x) :]
        if teacher == "training":
            believed = scores_u.detach()
        pseudo_labels = believed.argmax(dim=1)
        value = loss(scores, y) + alpha * loss(scores_u, pseudo_labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


def make_updates(step, rows, rows_u, layout):
    """Makes a function that does so many updates on batches drawn at random.

    Args:
        step: What `make_step` or `torch.compile` returned.
        rows: Int: labeled rows of an update.
        rows_u: Int: unlabeled ones.
        layout: A `torch.memory_format`: where channels lie in memory.
    """
    x, x_u = (
        torch.rand(count, 1, 28, 28).contiguous(memory_format=layout)
        for count in (1000, 19_000)
    )
    y = torch.arange(len(x)) % 10

    def updates(count):
        for _ in range(count):
            chosen = torch.randint(len(x), (rows,))
            step(x[chosen], y[chosen], x_u[torch.randint(len(x_u), (rows_u,))])

    return updates


def main(name, rows, rows_u, teacher, way):
    """Does as many updates as every line of the input says; prints their time.

    Args:
        name: `"conv"` or `"mlp"`.
        rows: Labeled rows of an update.
        rows_u: Unlabeled ones.
        teacher: `"inference"` or `"training"`.
        way: `"eager"`, `"channels_last"` or `"compiled"`.
    """
    torch.manual_seed(0)
    last = way == "channels_last"
    layout = torch.channels_last if last else torch.contiguous_format
    network = NETWORKS[name]().to(memory_format=layout)
    step = make_step(name, network, 0.1, teacher)
    if way == "compiled":
        step = torch.compile(step)
    updates = make_updates(step, int(rows), int(rows_u), layout)
    for line in sys.stdin:
        start = time.perf_counter()
        updates(int(line))
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
