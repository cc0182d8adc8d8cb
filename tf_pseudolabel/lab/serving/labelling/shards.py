"""Shards of scores: what a model says of the rows of one chunk."""

import os
import typing

import pyarrow
import pyarrow.parquet

from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.errors import InputError, reason_of
from tf_pseudolabel.lab.replacing import replacing


class Shards(typing.NamedTuple):
    """Where the shards of one model lie.

    Attributes:
        folder: The folder, a string.
        fingerprint: Of the model.
        distribution: Whether they hold the probabilities of all classes.
    """

    folder: str
    fingerprint: str
    distribution: bool

    @property
    def schema(self):
        """A row has a label and a confidence, or a reason why it has none."""
        fields = {
            "id": pyarrow.string(),
            "label": pyarrow.string(),
            "confidence": pyarrow.float32(),
            "reason": pyarrow.string(),
        }
        if self.distribution:
            fields["probabilities"] = pyarrow.list_(pyarrow.float32())
        return pyarrow.schema(fields.items())

    def path(self, chunk):
        """Returns the path of the shard of a `Chunk`."""
        what = "distribution" if self.distribution else "labels"
        name = f"{chunk.key}-{self.fingerprint}-{what}.parquet"
        return os.path.join(self.folder, name)

    def write(self, chunk, table):
        """Writes the shard of a `Chunk`, whole or not at all.

        Args:
            chunk: The chunk.
            table: A `pyarrow.Table` of `schema`.

        Raises:
            InputError: If it cannot be written.
        """
        # Runners may try twice at once.
        with replacing(self.path(chunk), several=True) as partial:
            pyarrow.parquet.write_table(table, partial)


def read(path, columns):
    """Reads columns of a shard.

    Args:
        path: Its path.
        columns: Their names.

    Returns:
        A `pyarrow.Table`.

    Raises:
        InputError: If it is damaged.
    """
    try:
        return pyarrow.parquet.read_table(path, columns=columns)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise InputError(
            f"{shown(path)} must be what bin/label wrote; got: "
            f"{reason_of(error)}; delete it, and give the same command again"
        ) from error
