"""Applies a model to files, a chunk at a time, and goes on where it stopped."""

import collections
import csv
import hashlib
import pathlib
import shutil
import sys
import time
import typing

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.replacing import replacing
from tf_pseudolabel.lab.serving import predictions, requests

_SECONDS = 5
_REASONS = ("id", "reason")


class Summary(typing.NamedTuple):
    """What was predicted.

    Attributes:
        rows: A `collections.Counter` of labels.
        unreadable: How many rows were set aside.
        listed: The file that lists these; None: there are none.
    """

    rows: collections.Counter
    unreadable: int
    listed: pathlib.Path | None


def predict(
    model, paths, output, options=None, top=1, interrupted=lambda: None
):
    """Writes what a model says of every row.

    What is done is kept beside the output until all is: the same command goes
    on there, and does again only what has changed.

    Args:
        model: A `Served`.
        paths: Files and folders; see `requests.chunks`.
        output: File to write or replace: .csv, .jsonl or .parquet.
        options: `requests.Options`.
        top: Int, from 1: classes to name for each row.
        interrupted: Called between chunks; raises where the process is to end.

    Returns:
        A `Summary`.

    Raises:
        InputError: If an input cannot be meant, or nothing can be written.
    """
    output = pathlib.Path(output)
    _check_output(output, paths)
    ranks = _ranks(model, top)
    columns = predictions.columns_of(top)
    predictions.writer(output, columns)
    chunks = list(requests.chunks(model, paths, options or requests.Options()))
    parts = output.with_name(f".{output.name}.parts")
    done = [
        parts / f"{_digest(chunk.key, model.fingerprint, top)}.parquet"
        for chunk in chunks
    ]
    progress = _Progress(sum(chunk.size for chunk in chunks))
    for chunk, part in zip(chunks, done, strict=True):
        interrupted()
        if not part.exists():
            with replacing(part) as partial:
                _write(model, chunk, ranks, columns, partial)
        progress.add(chunk.size)
    summary = _joined(done, columns, output)
    shutil.rmtree(parts, ignore_errors=True)
    return summary


def _check_output(output, paths):
    """Refuses to write over what this program has not written."""
    for place in (output, _listing(output)):
        if place.is_dir():
            raise InputError(
                "--output is the file to write; got the directory "
                f"{shown(place)}; name a file"
            )
        for path in map(pathlib.Path, paths):
            if place.exists() and path.exists() and place.samefile(path):
                raise InputError(
                    "--output must be another file than what is read; got "
                    f"{shown(place)}; name another"
                )
    listing = _listing(output)
    if listing.exists():
        with listing.open(encoding="utf-8", errors="replace") as file:
            if file.readline().strip() != ",".join(_REASONS):
                raise InputError(
                    f"{shown(listing)} would be replaced by a list of rows "
                    "that cannot be read, which it is not; name another "
                    "--output"
                )


def _listing(output):
    return output.with_suffix(".unreadable.csv")


def _ranks(model, top):
    """Ranks behind the first that are told, and the names of all classes."""
    if top == 1:
        return []
    if model.about is None:
        raise InputError(
            f"--top={top} needs a model that names all classes, as bin/train "
            f"and bin/export write them; got {shown(model.path)}; leave it out"
        )
    count = len(model.about.class_names)
    if not 1 <= top <= count:
        raise InputError(
            f"--top must be from 1 to {count}, the number of classes; got "
            f"{top}; change it"
        )
    names = np.array(model.about.class_names, object)
    return [(rank, names) for rank in range(2, top + 1)]


def _digest(*values):
    return hashlib.blake2b(repr(values).encode(), digest_size=16).hexdigest()


def _write(model, chunk, ranks, columns, path):
    """Writes a chunk: its predictions, and rows with a reason instead."""
    reasons = pyarrow.field("reason", pyarrow.string())
    schema = predictions.schema_of(columns).append(reasons)
    with pyarrow.parquet.ParquetWriter(path, schema) as file:
        for rows in chunk.read():
            if rows.ids:
                found = _answers(model.answer(rows.inputs), rows.ids, ranks)
                file.write_table(_table(found, schema))
            if rows.bad:
                ids, reasons = zip(*rows.bad, strict=True)
                file.write_table(_table({"id": ids, "reason": reasons}, schema))


def _table(found, schema):
    """A table in which what is not found is null."""
    (count,) = {len(cells) for cells in found.values()}
    nothing = [None] * count
    return pyarrow.table([found.get(x, nothing) for x in schema.names], schema)


def _answers(answer, ids, ranks):
    found = {
        "id": ids,
        "label": answer["label"],
        "confidence": answer["confidence"],
    }
    probabilities = answer["probabilities"]
    order = np.argsort(-probabilities, axis=1, kind="stable")
    for rank, names in ranks:
        classes = order[:, rank - 1]
        rows = np.arange(len(ids))
        found[f"label_{rank}"] = names[classes]
        found[f"confidence_{rank}"] = probabilities[rows, classes]
    return found


def _joined(parts, columns, output):
    """Puts all parts together, in the order of the inputs."""
    counts, unreadable = collections.Counter(), 0
    listed = _listing(output)
    with (
        replacing(listed) as aside,
        replacing(output) as partial,
        predictions.writer(partial, columns) as write,
        aside.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(_REASONS)
        for part in parts:
            for batch in pyarrow.parquet.ParquetFile(part).iter_batches():
                table = pyarrow.Table.from_batches([batch])
                is_read = table["reason"].is_null()
                good = table.filter(is_read).select(columns)
                write(good)
                counts.update(good["label"].to_pylist())
                bad = table.filter(pyarrow.compute.invert(is_read))
                unreadable += len(bad)
                pairs = (bad["id"].to_pylist(), bad["reason"].to_pylist())
                rows.writerows(zip(*pairs, strict=True))
    if unreadable:
        return Summary(counts, unreadable, listed)
    listed.unlink()
    return Summary(counts, 0, None)


class _Progress:
    """Says how far it is, every few seconds."""

    def __init__(self, size):
        self._size, self._done, self._said = size, 0, time.monotonic()

    def add(self, rows):
        self._done += rows
        if time.monotonic() - self._said > _SECONDS:
            self._said = time.monotonic()
            print(
                f"{self._done:,} of {self._size:,} rows.",
                file=sys.stderr,
                flush=True,
            )
