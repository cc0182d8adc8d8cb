"""Asks a model for chunks, each into a shard of its own."""

import concurrent.futures
import contextlib
import functools
import os
import sys
import threading

import apache_beam as beam
import numpy as np
import pyarrow
from apache_beam.ml.inference.base import (
    ModelHandler,
    PredictionResult,
    RunInference,
)

from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.served import Served

_SECONDS = 5


# In the embedded runner, who cuts chunks and who scores share it.
@functools.lru_cache(1)
def opened(path, fingerprint):
    """Opens a model once per process.

    Args:
        path: Of the SavedModel.
        fingerprint: Of the model: another one in its place is opened anew.

    Returns:
        A `Served`.
    """
    model = Served(path)
    if model.fingerprint != fingerprint:
        raise InputError(
            f"{shown(path)} must stay as it is while rows are labelled; got "
            "another model; give the same command again"
        )
    return model


class Teacher(ModelHandler):
    """A model of ours, which Beam asks for chunks.

    Args:
        model: A `Served`.
        schema: Of the tables that it answers with.
    """

    def __init__(self, model, schema):
        # Rows come in batches from a chunk.
        super().__init__(max_batch_size=1)
        self._path, self._fingerprint = model.path, model.fingerprint
        self._schema = schema

    def load_model(self):
        """Opens the model."""
        return opened(self._path, self._fingerprint)

    def run_inference(self, batch, model, inference_args=None):
        """Asks for all rows of chunks.

        Args:
            batch: A sequence of `Chunk`s.
            model: The `Served`.
            inference_args: None.

        Yields:
            A `PredictionResult` for each: the chunk, and a `pyarrow.Table`.
        """
        for chunk in batch:
            tables = [
                table
                for rows in _ahead(chunk.read())
                for table in self._answered(rows, model)
            ]
            table = pyarrow.concat_tables([self._schema.empty_table(), *tables])
            yield PredictionResult(chunk, table)

    def _answered(self, rows, model):
        if rows.ids:
            answer = model.answer(rows.inputs)
            yield self._table(
                id=rows.ids,
                label=answer["label"],
                confidence=answer["confidence"],
                reason=_reasons(answer["confidence"]),
                probabilities=list(answer["probabilities"])
                if "probabilities" in self._schema.names
                else None,
            )
        if rows.bad:
            ids, reasons = zip(*rows.bad, strict=True)
            nothing = pyarrow.nulls(len(ids))
            yield self._table(
                id=ids,
                label=nothing,
                confidence=nothing,
                reason=reasons,
                probabilities=nothing,
            )

    def _table(self, **columns):
        found = {name: columns[name] for name in self._schema.names}
        return pyarrow.table(found, self._schema)


def _reasons(confidence):
    reasons = np.full(len(confidence), None, object)
    reasons[~np.isfinite(confidence)] = "the model answers NaN or infinity"
    return reasons


def _ahead(rows):
    """The next rows are read while the model answers for these."""
    with concurrent.futures.ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, rows, None)
        while (found := coming.result()) is not None:
            coming = reader.submit(next, rows, None)
            yield found


class _Write(beam.DoFn):
    def __init__(self, shards, stop):
        self._shards, self._stop = shards, stop

    def process(self, result):
        self._shards.write(result.example, result.inference)
        if self._stop:
            refuse_unreadable(result.inference)


def refuse_unreadable(table):
    """Refuses rows that could not be read.

    Args:
        table: A `pyarrow.Table` of scores.

    Raises:
        InputError: If there is one.
    """
    bad = table.filter(table["reason"].is_valid()).slice(0, 1).to_pylist()
    for row in bad:
        raise InputError(
            f"with --on_bad_row=stop every row must be readable; got "
            f"{row['id']}: {row['reason']}; mend it, or set such rows aside "
            "with --on_bad_row=skip"
        )


def score(model, chunks, shards, stop, run):
    """Scores the chunks that have no shard yet.

    Args:
        model: A `Served`.
        chunks: A list of `Chunk`s.
        shards: The `Shards`.
        stop: Whether the first row that cannot be read ends it.
        run: Opens a `beam.Pipeline`; see `Runner.pipeline`.

    Raises:
        InputError: If an input cannot be read, or nothing can be written.
    """
    missing = {chunk.key: chunk for chunk in chunks}
    missing = [
        chunk
        for chunk in missing.values()
        if not os.path.exists(shards.path(chunk))
    ]
    if not missing:
        return
    with _told(missing, shards), run() as pipeline:
        _ = (
            pipeline
            # What travels between machines is chunks, never their rows.
            | "Chunks" >> beam.Create(missing)
            | "Score" >> RunInference(Teacher(model, shards.schema))
            | "Write shards" >> beam.ParDo(_Write(shards, stop))
        )


@contextlib.contextmanager
def _told(chunks, shards):
    """Says every few seconds how many rows have a shard, on any runner."""
    ended = threading.Event()

    def tell():
        size = sum(chunk.size for chunk in chunks)
        while not ended.wait(_SECONDS):
            done = sum(
                chunk.size
                for chunk in chunks
                if os.path.exists(shards.path(chunk))
            )
            print(f"{done:,} of {size:,} rows.", file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
