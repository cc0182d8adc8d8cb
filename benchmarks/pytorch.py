"""The same training step in PyTorch, a process of its own: `pip install torch`.

Eager as the 2020 reproduction of Lee's paper writes it, channels first; with
`channels_last`; or compiled. `step.py` starts it and tells it when it is its
turn: PyTorch and TensorFlow do not always bear each other in one process.
"""

import sys
import time

import numpy as np
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


def mobile_net(dropout=0.2):
    """MobileNetV3Small as torchvision has it, with the head of ours."""
    import torchvision  # Slow, and not always there.

    network = torchvision.models.mobilenet_v3_small()
    features = network.classifier[0].in_features
    network.classifier = nn.Sequential(
        nn.Dropout(dropout), nn.Linear(features, 10)
    )
    return network


NETWORKS = {"conv": conv, "mlp": mlp, "MobileNetV3Small": mobile_net}


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


LOSSES = {"mlp": summed_binary_cross_entropy}
MOMENTUM = {"mlp": 0.5}


def make_step(
    name, network, learning_rate, teacher, alpha=1.0, batch_norm="joint"
):
    """Makes an update.

    Args:
        name: A name in `NETWORKS`: which loss and momentum.
        network: A `torch.nn.Module`.
        learning_rate: Float: of a gradient averaged over past updates.
        teacher: `"inference"` or `"training"`.
        alpha: Float: the weight of the pseudo-label loss.
        batch_norm: `"joint"`, one pass of both batches, or `"separate"`, two.

    Returns:
        A function of `x`, `y` and `x_u`, which returns the loss.
    """
    loss = LOSSES.get(name, cross_entropy)
    momentum = MOMENTUM.get(name, 0.0)
    optimizer = torch.optim.SGD(
        network.parameters(), learning_rate * (1 - momentum), momentum
    )

    def step(x, y, x_u):
        if teacher == "inference":
            network.eval()
            with torch.no_grad():
                believed = network(x_u)
            network.train()
        if batch_norm == "joint":
            scores = network(torch.cat([x, x_u]))
            scores, scores_u = scores[: len(x)], scores[len(x) :]
        else:
            scores, scores_u = network(x), network(x_u)
        if teacher == "training":
            believed = scores_u.detach()
        pseudo_labels = believed.argmax(dim=1)
        value = loss(scores, y) + alpha * loss(scores_u, pseudo_labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


def read(path, layout):
    """Reads images as floats, channels in front.

    Args:
        path: An npz file of `x`, `y` and `x_u`.
        layout: A `torch.memory_format`: where channels lie in memory.

    Returns:
        `x`, `y` and `x_u`.
    """
    arrays = np.load(path)
    parts = [torch.from_numpy(arrays[name]) for name in ("x", "y", "x_u")]
    return [
        part
        if part.dim() == 1
        else (part.permute(0, 3, 1, 2) / 255.0).contiguous(memory_format=layout)
        for part in parts
    ]


def make_updates(step, x, y, x_u, rows, rows_u):
    """Makes a function that does so many updates on batches drawn at random.

    Args:
        step: What `make_step` or `torch.compile` returned.
        x: Labeled images.
        y: Their labels.
        x_u: Unlabeled images.
        rows: Int: labeled rows of an update.
        rows_u: Int: unlabeled ones.
    """

    def updates(count):
        for _ in range(count):
            chosen = torch.randint(len(x), (rows,))
            step(x[chosen], y[chosen], x_u[torch.randint(len(x_u), (rows_u,))])

    return updates


def main(images, name, rows, rows_u, teacher, batch_norm, way):
    """Does as many updates as every line of the input says; prints their time.

    As many go before them, untimed.

    Args:
        images: What `read` reads.
        name: A name in `NETWORKS`.
        rows: Labeled rows of an update.
        rows_u: Unlabeled ones.
        teacher: `"inference"` or `"training"`.
        batch_norm: `"joint"` or `"separate"`.
        way: `"eager"`, `"channels_last"` or `"compiled"`.
    """
    torch.manual_seed(0)
    last = way == "channels_last"
    layout = torch.channels_last if last else torch.contiguous_format
    network = NETWORKS[name]().to(memory_format=layout)
    step = make_step(name, network, 0.1, teacher, batch_norm=batch_norm)
    if way == "compiled":
        step = torch.compile(step)
    updates = make_updates(step, *read(images, layout), int(rows), int(rows_u))
    for line in sys.stdin:
        updates(int(line))
        start = time.perf_counter()
        updates(int(line))
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
