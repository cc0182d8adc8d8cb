"""Images in memory, checked once when they enter the package."""

from __future__ import annotations

import dataclasses

import numpy as np

from tf_pseudolabel.lab.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Images with their classes and names, one row each.

    Args:
        images: `(n, height, width, channels)`, uint8, or float32 where the
            source is floating point.
        labels: `(n,)` int64; -1 where the class is unknown.
        ids: `(n,)` str; unique, and the same on every machine.

    Raises:
        InputError: The three differ in length, or `images` is not a uint8 or
            float32 array of rank 4.
    """

    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray

    def __post_init__(self):
        if self.images.ndim != 4 or self.images.dtype not in (
            "uint8",
            "float32",
        ):
            raise InputError(
                "images must be uint8 or float32 of shape (n, height, width, "
                f"channels); got {self.images.dtype} of shape "
                f"{self.images.shape}; reshape or cast them"
            )
        lengths = len(self.images), len(self.labels), len(self.ids)
        if len(set(lengths)) > 1:
            raise InputError(
                "images, labels and ids must have one row per example; "
                f"got {lengths} rows; drop the rows that lack a partner"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, indices: np.ndarray) -> Examples:
        """Returns the rows at `indices`, in that order.

        Args:
            indices: `(k,)` integers below `len(self)`.

        Returns:
            Examples of length k, copied.
        """
        return Examples(
            self.images[indices], self.labels[indices], self.ids[indices]
        )

    def followed_by(self, other: Examples) -> Examples:
        """Returns these rows and then those of `other`.

        Args:
            other: Examples of the same image shape and type.

        Returns:
            Examples, copied.
        """
        return Examples(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.ids, other.ids]),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """Everything one source offers, before any split is drawn.

    Args:
        train: The pool that labeled and validation rows are drawn from, and
            test and unlabeled rows too where those are None.
        test: The source's own test set; None: hold test rows out of `train`.
        unlabeled: A separate unlabeled pool, whose labels are never read;
            None: whatever the split leaves of `train`.
        class_names: Names of classes 0 to C-1.
        max_value: The pixel value that stands for white, such as 255.
        validation: The source's own validation set; None: hold validation
            rows out of `train`.
        notes: What was left out or changed while reading, a sentence each.

    Raises:
        InputError: A set is empty, a pixel is not finite, a label of `train`,
            `test` or `validation` is outside 0 to C-1, the sets differ in
            image shape or type, or an id occurs twice.
    """

    train: Examples
    test: Examples | None
    unlabeled: Examples | None
    class_names: tuple[str, ...]
    max_value: float
    validation: Examples | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        if len(self.class_names) < 2:
            raise InputError(
                "there must be at least two classes; got "
                f"{list(self.class_names)}; give the folder that holds one "
                "sub-folder per class"
            )
        sets = {"train": self.train}
        for name in ("test", "validation"):
            if getattr(self, name) is not None:
                sets[name] = getattr(self, name)
        for name, examples in sets.items():
            _check_labels(name, examples, len(self.class_names))
        if self.unlabeled is not None:
            sets["unlabeled"] = self.unlabeled
        for name, examples in sets.items():
            _check_images(name, examples)
            _check_alike(name, examples, self.train)
        _check_unique(sets)


def _check_labels(name: str, examples: Examples, num_classes: int):
    wrong = (examples.labels < 0) | (examples.labels >= num_classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"labels must be in 0..{num_classes - 1}; got "
            f"{examples.labels[row]} for {name} example {examples.ids[row]}; "
            "correct or remove it"
        )


def _check_images(name: str, examples: Examples):
    if not len(examples):
        raise InputError(
            f"the {name} set must hold at least one image; got 0; add "
            "images or leave the set out"
        )
    finite = np.isfinite(examples.images).all(axis=(1, 2, 3))
    if not finite.all():
        raise InputError(
            f"pixels must be finite; got NaN or infinity in {name} "
            f"example {examples.ids[finite.argmin()]} ({(~finite).sum()} such "
            "images); correct or remove them"
        )


def _check_alike(name: str, examples: Examples, train: Examples):
    images, expected = examples.images, train.images
    if (images.shape[1:], images.dtype) != (expected.shape[1:], expected.dtype):
        raise InputError(
            "all sets must share one image shape and type; got "
            f"{expected.shape[1:]} {expected.dtype} in train and "
            f"{images.shape[1:]} {images.dtype} in {name}; convert one of them"
        )


def _check_unique(sets: dict[str, Examples]):
    ids, counts = np.unique(
        np.concatenate([examples.ids for examples in sets.values()]),
        return_counts=True,
    )
    if counts.max() > 1:
        raise InputError(
            f"ids must be unique over {', '.join(sets)}; got "
            f"{ids[counts.argmax()]} {counts.max()} times; rename one of them"
        )
