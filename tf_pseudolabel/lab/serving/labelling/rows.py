"""Rows of a shard of scores, corrected by people."""

from __future__ import annotations

import dataclasses
import functools
import typing

import numpy as np
import pyarrow
import pyarrow.compute

from tf_pseudolabel.lab.serving.labelling import shards

# A person is surer than any model.
_PERSON = np.nextafter(np.float32(1), np.float32(2))


class Rows(typing.NamedTuple):
    """Rows that have a label.

    Attributes:
        number: Of the shard, in the order of the input.
        table: A `pyarrow.Table`: id, label, confidence, source, and what else
            was asked for.
        classes: Class of each, int64 `(n,)`.
        ranks: int64 `(n,)`: the larger, the surer.
        bad: A `pyarrow.Table` of id and reason: rows without a label.
    """

    number: int
    table: pyarrow.Table
    classes: np.ndarray
    ranks: np.ndarray
    bad: pyarrow.Table


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads shards of scores.

    Args:
        paths: Of all shards, in the order of the input.
        class_names: Of all classes.
        corrections: A dict from ids to labels that people gave them.
    """

    paths: tuple[str, ...]
    class_names: tuple[str, ...]
    corrections: dict[str, str]

    def __iter__(self):
        """Yields the `Rows` of every shard."""
        for number in range(len(self.paths)):
            yield self.read(number)

    def read(self, number, *columns):
        """Reads a shard.

        Args:
            number: Its place in `paths`.
            *columns: Further ones: "probabilities".

        Returns:
            `Rows`.
        """
        wanted = ["id", "label", "confidence", "reason", *columns]
        table = shards.read(self.paths[number], wanted)
        is_read = table["reason"].is_null()
        bad = table.filter(pyarrow.compute.invert(is_read))
        table = table.filter(is_read).drop_columns("reason")
        table = self._corrected(table)
        surest = np.where(
            table["source"].to_numpy() == "person",
            _PERSON,
            table["confidence"].to_numpy(),
        )
        # Of floats that are not negative, the bits have the same order.
        ranks = surest.astype(np.float32).view(np.uint32).astype(np.int64)
        return Rows(
            number,
            table,
            self._classes(table["label"]),
            ranks,
            bad.select(["id", "reason"]),
        )

    @functools.cached_property
    def _given(self):
        """Ids and labels of corrections, as arrays."""
        ids, labels = self.corrections.keys(), self.corrections.values()
        return (
            pyarrow.array(ids, pyarrow.string()),
            pyarrow.array(labels, pyarrow.string()),
        )

    def _corrected(self, table):
        ids, labels = self._given
        places = pyarrow.compute.index_in(table["id"], value_set=ids)
        by_person = places.is_valid()
        given = {
            "label": labels.take(places.combine_chunks()),
            "confidence": pyarrow.scalar(1, pyarrow.float32()),
        }
        for name, value in given.items():
            cells = pyarrow.compute.if_else(by_person, value, table[name])
            table = _with(table, name, cells)
        rows = np.flatnonzero(by_person)
        if len(rows) and "probabilities" in table.column_names:
            table = _with(table, "probabilities", self._certain(table, rows))
        source = pyarrow.compute.if_else(by_person, "person", "model")
        return table.append_column("source", source)

    def _certain(self, table, rows):
        """Probabilities, 1 for what a person said."""
        count = len(self.class_names)
        flat = pyarrow.compute.list_flatten(table["probabilities"]).to_numpy()
        found = flat.reshape(-1, count).copy()
        labels = table["label"].take(rows)
        found[rows] = 0
        found[rows, self._classes(labels)] = 1
        ends = np.arange(0, found.size + 1, count, dtype=np.int32)
        return pyarrow.ListArray.from_arrays(ends, found.ravel())

    def _classes(self, labels):
        names = pyarrow.array(self.class_names)
        found = pyarrow.compute.index_in(labels, value_set=names)
        return found.to_numpy().astype(np.int64)


def _with(table, name, cells):
    return table.set_column(table.column_names.index(name), name, cells)
