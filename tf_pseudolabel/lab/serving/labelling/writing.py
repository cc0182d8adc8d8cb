"""Writes labels, several files at once where the runner can."""

import contextlib
import pathlib

import apache_beam as beam
import numpy as np
import pyarrow
import pyarrow.parquet
import tensorflow as tf

from tf_pseudolabel.lab.replacing import replacing

# Of scores behind one file; files differ with what is kept.
_ROWS = 100_000
# At once in memory; also of a row group.
_AT_ONCE = 20_000


def write(chunks, reader, plan, teacher, folder, kind, columns, run):
    """Writes the labels that are kept, in the order of the input.

    Args:
        chunks: A list of `Chunk`s.
        reader: A `Reader` of their scores.
        plan: The `Plan`.
        teacher: Fingerprint of the model.
        folder: Where, a string.
        kind: "parquet" or "tfrecord".
        columns: Further ones: "probabilities".
        run: Opens a `beam.Pipeline`; see `Runner.pipeline`.

    Returns:
        A list of names of files.

    Raises:
        InputError: If they cannot be written.
    """
    parts = list(_parts(chunks))
    files = [
        f"labels-{number:05}-of-{len(parts):05}.{kind}"
        for number in range(len(parts))
    ]
    with run() as pipeline:
        _ = (
            pipeline
            | "Files" >> beam.Create(list(zip(files, parts, strict=True)))
            | "Write labels"
            >> beam.ParDo(_Write(reader, plan, teacher, folder, kind, columns))
        )
    return files


def _parts(chunks):
    """Numbers of consecutive chunks, those of one file together."""
    part, size = [], 0
    for number, chunk in enumerate(chunks):
        if part and size + chunk.size > _ROWS:
            yield part
            part, size = [], 0
        part.append(number)
        size += chunk.size
    yield part


class _Write(beam.DoFn):
    def __init__(self, reader, plan, teacher, folder, kind, columns):
        self._reader, self._plan, self._teacher = reader, plan, teacher
        self._folder, self._kind, self._columns = folder, kind, columns

    def process(self, element):
        file, numbers = element
        path = pathlib.Path(self._folder, file)
        # Runners may try twice at once.
        with replacing(path, several=True) as partial:
            self._write(partial, numbers)

    def _write(self, path, numbers):
        schema = _schema(self._columns)
        with _WRITERS[self._kind](path, schema) as write:
            waiting, size = [], 0
            for table in self._kept(numbers, schema):
                waiting.append(table)
                size += len(table)
                if size >= _AT_ONCE:
                    write(pyarrow.concat_tables(waiting))
                    waiting, size = [], 0
            write(pyarrow.concat_tables([schema.empty_table(), *waiting]))

    def _kept(self, numbers, schema):
        for number in numbers:
            rows = self._reader.read(number, *self._columns)
            ends = np.cumsum(self._plan.copies(rows))
            total = int(ends[-1]) if len(ends) else 0
            for start in range(0, total, _AT_ONCE):
                places = np.arange(start, min(start + _AT_ONCE, total))
                table = rows.table.take(
                    np.searchsorted(ends, places, side="right")
                )
                teacher = pyarrow.repeat(self._teacher, len(table))
                table = table.append_column("teacher", teacher)
                yield table.select(schema.names).cast(schema)


def _schema(columns):
    fields = {
        "id": pyarrow.string(),
        "label": pyarrow.string(),
        "confidence": pyarrow.float32(),
        "source": pyarrow.string(),
        "teacher": pyarrow.string(),
    }
    probabilities = pyarrow.list_(pyarrow.float32())
    return pyarrow.schema(
        [*fields.items(), *((name, probabilities) for name in columns)]
    )


@contextlib.contextmanager
def _parquet(path, schema):
    with pyarrow.parquet.ParquetWriter(path, schema) as file:
        yield file.write_table


@contextlib.contextmanager
def _records(path, schema):
    with tf.io.TFRecordWriter(str(path)) as file:

        def write(table):
            for row in table.to_pylist():
                features = {k: _feature(v) for k, v in row.items()}
                example = tf.train.Example(
                    features=tf.train.Features(feature=features)
                )
                file.write(example.SerializeToString())

        yield write


def _feature(value):
    if isinstance(value, str):
        of_bytes = tf.train.BytesList(value=[value.encode()])
        return tf.train.Feature(bytes_list=of_bytes)
    numbers = value if isinstance(value, list) else [value]
    return tf.train.Feature(float_list=tf.train.FloatList(value=numbers))


_WRITERS = {"parquet": _parquet, "tfrecord": _records}
FORMATS = tuple(_WRITERS)
