"""Examples of a source, checked once when they enter the package."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data import groups, strings
from tf_pseudolabel.lab.data import inputs as reading
from tf_pseudolabel.lab.data.inputs import Held, Inputs
from tf_pseudolabel.lab.data.kinds import Kind
from tf_pseudolabel.lab.data.strings import Strings
from tf_pseudolabel.lab.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Rows with their classes and names; what they hold is read when asked for.

    Args:
        inputs: `Inputs` of a source; or nested arrays `(n, ...)`, which are
            held in memory.
        labels: `(n,)` int; -1 where the class is unknown.
        ids: `(n,)` str; unique, and the same on every machine.
        rows: `(n,)` int: the rows of `inputs`; None: all of them.
        groups: `(n,)` str: what rows belong to that must stay on one side of a
            split, such as a patient; "" where a row stands alone. None: all do.

    Raises:
        InputError: These differ in length.
    """

    inputs: Inputs
    labels: np.ndarray
    ids: np.ndarray | Strings
    rows: np.ndarray = None
    groups: np.ndarray | None = None

    def __post_init__(self):
        if not isinstance(self.inputs, Inputs):
            object.__setattr__(self, "inputs", Held(self.inputs))
        if self.rows is None:
            object.__setattr__(self, "rows", np.arange(len(self.inputs)))
        for name in ("labels", "rows"):
            object.__setattr__(self, name, _narrow(getattr(self, name)))
        lengths = len(self.rows), len(self.labels), len(self.ids)
        if self.groups is not None:
            lengths += (len(self.groups),)
        if len(set(lengths)) > 1:
            raise InputError(
                "inputs, labels, ids and groups must have one row per example; "
                f"got {lengths} rows; drop the rows that lack a partner"
            )

    @property
    def spec(self) -> typing.Any:
        """Nested `tf.TensorSpec` of the inputs of one row."""
        return self.inputs.spec

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, indices: np.ndarray) -> Examples:
        """Returns the rows at `indices`, in that order.

        Args:
            indices: `(k,)` integers below `len(self)`.

        Returns:
            Examples of length k.
        """
        return Examples(
            self.inputs,
            self.labels[indices],
            self.ids[indices],
            self.rows[indices],
            None if self.groups is None else self.groups[indices],
        )

    def read(self) -> typing.Any:
        """Returns the inputs of all rows: nested arrays `(n, ...)`."""
        return reading.read(self.inputs, self.rows)

    def followed_by(self, other: Examples) -> Examples:
        """Returns these rows and then those of `other`.

        Args:
            other: Examples of the same shape and type.

        Returns:
            Examples; copied, unless their inputs are the same.
        """
        labels = np.concatenate([self.labels, other.labels])
        ids = _joined(self.ids, other.ids)
        groups = None
        if self.groups is not None or other.groups is not None:
            groups = np.concatenate([groups_of(self), groups_of(other)])
        if other.inputs is self.inputs:
            rows = np.concatenate([self.rows, other.rows])
            return Examples(self.inputs, labels, ids, rows, groups)
        arrays = tf.nest.map_structure(
            lambda *parts: np.concatenate(parts), self.read(), other.read()
        )
        return Examples(arrays, labels, ids, groups=groups)


def _narrow(numbers: np.ndarray) -> np.ndarray:
    """The same in half the memory, of which a million rows take a few."""
    if numbers.dtype != np.int64 or not len(numbers):
        return numbers
    fits = numbers.min() >= -(2**31) and numbers.max() < 2**31
    return numbers.astype(np.int32) if fits else numbers


def _joined(
    ids: np.ndarray | Strings, others: np.ndarray | Strings
) -> np.ndarray | Strings:
    if isinstance(ids, Strings):
        return ids.followed_by(others)
    return np.concatenate([ids, others])


def groups_of(examples: Examples) -> np.ndarray:
    """Returns the group of every row, "" where it stands alone.

    Args:
        examples: n examples.

    Returns:
        `(n,)` str.
    """
    if examples.groups is None:
        return np.full(len(examples), "")
    return examples.groups


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """Everything one source offers, before any split is drawn.

    Args:
        train: The pool that labeled and validation rows are drawn from, and
            test and unlabeled rows too where those are None.
        test: The source's own test set; None: hold test rows out of `train`.
        unlabeled: A separate unlabeled pool, whose labels are never read;
            None: whatever the split leaves of `train`.
        class_names: Names of classes 0 to C-1.
        kind: The `Kind` of the inputs.
        validation: The source's own validation set; None: hold validation
            rows out of `train`.
        notes: What was left out or changed while reading, a sentence each.
        skipped: Files that could not be read and were left out, a line each.
        contents: What changes with the values of rows; "" where these are not
            read before they are used.

    Raises:
        InputError: A set is empty, a value is not finite, a label of `train`,
            `test` or `validation` is outside 0 to C-1, `test` or `validation`
            has a class that `train` lacks, the sets differ in shape or type, an
            id occurs twice, or a group is in two of `test`, `validation` and
            the others.
    """

    train: Examples
    test: Examples | None
    unlabeled: Examples | None
    class_names: tuple[str, ...]
    kind: Kind
    validation: Examples | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    contents: str = ""

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
        self.kind.check(self.train.spec)
        for name, examples in sets.items():
            _check_values(name, examples)
            _check_alike(name, examples, self.train)
            _check_known(name, examples, self.train, self.class_names)
        _check_unique(sets)
        groups.check_apart({n: groups_of(part) for n, part in sets.items()})


def _check_labels(name: str, examples: Examples, num_classes: int):
    wrong = (examples.labels < 0) | (examples.labels >= num_classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"labels must be in 0..{num_classes - 1}; got "
            f"{examples.labels[row]} for {name} example {examples.ids[row]}; "
            "correct or remove it"
        )


def _check_values(name: str, examples: Examples):
    if not len(examples):
        raise InputError(
            f"the {name} set must hold at least one example; got 0; add "
            "examples or leave the set out"
        )
    if not isinstance(examples.inputs, Held):
        return
    for values in tf.nest.flatten(examples.inputs.tensors):
        if not values.dtype.is_floating:
            continue
        axes = tuple(range(1, values.shape.rank))
        finite = np.isfinite(values.numpy()).all(axis=axes)[examples.rows]
        if not finite.all():
            raise InputError(
                f"values must be finite; got NaN or infinity in {name} "
                f"example {examples.ids[finite.argmin()]} ({(~finite).sum()} "
                "such examples); correct or remove them"
            )


def _check_alike(name: str, examples: Examples, train: Examples):
    if examples.spec != train.spec:
        raise InputError(
            "all sets must share one shape and type; got "
            f"{_described(train.spec)} in train and "
            f"{_described(examples.spec)} in {name}; convert one of them"
        )


def _check_known(
    name: str, examples: Examples, train: Examples, class_names: tuple[str, ...]
):
    """Refuses classes that are never trained on."""
    if name == "unlabeled":
        return
    unknown = np.setdiff1d(examples.labels, train.labels)
    if len(unknown):
        words = ", ".join(f'"{class_names[label]}"' for label in unknown[:20])
        raise InputError(
            f"every class of the {name} set must have labeled examples in "
            f"train; got none of {words} ({len(unknown)} such classes); add "
            "some, or remove the class"
        )


def _described(spec: typing.Any) -> str:
    return ", ".join(
        f"{tuple(part.shape)} {part.dtype.name}"
        for part in tf.nest.flatten(spec)
    )


def _check_unique(sets: dict[str, Examples]):
    twice = strings.repeated(*(examples.ids for examples in sets.values()))
    if twice is not None:
        raise InputError(
            f"ids must be unique over {', '.join(sets)}; got "
            f"{twice[0]} {twice[1]} times; rename one of them"
        )
