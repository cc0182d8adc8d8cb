"""Scores what is not scored yet, decides what is kept, and writes it."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import pathlib

import pyarrow.compute

from tf_pseudolabel.lab.data import review
from tf_pseudolabel.lab.data.files import listed, shown
from tf_pseudolabel.lab.errors import InputError, reason_of
from tf_pseudolabel.lab.replacing import replacing
from tf_pseudolabel.lab.serving import requests
from tf_pseudolabel.lab.serving.labelling import (
    keeping,
    scoring,
    writing,
)
from tf_pseudolabel.lab.serving.labelling.keeping import Keep
from tf_pseudolabel.lab.serving.labelling.rows import Reader
from tf_pseudolabel.lab.serving.labelling.runner import Runner
from tf_pseudolabel.lab.serving.labelling.shards import (
    Shards,
    read,
)
from tf_pseudolabel.lab.serving.served import Served

_SCORES, _LABELS, _PARTIAL = "scores", "labels", ".labels"
_UNREADABLE, _SUMMARY = "unreadable.csv", "summary.json"


@dataclasses.dataclass(frozen=True)
class Job:
    """What is asked for.

    Attributes:
        model: A run directory, or a SavedModel.
        inputs: Files and folders; see `requests.chunks`.
        output: Directory to write; what it holds already is not done again.
        options: `requests.Options`.
        keep: `Keep`.
        distribution: Whether the probabilities of all classes are written.
        kind: "parquet" or "tfrecord".
        review: CSV file of labels that people gave; None: none.
        stop: Whether a row that cannot be read ends it.
        runner: The `Runner`.
    """

    model: str
    inputs: tuple[str, ...]
    output: str
    options: requests.Options = dataclasses.field(
        default_factory=requests.Options
    )
    keep: Keep = dataclasses.field(default_factory=Keep)
    distribution: bool = False
    kind: str = writing.FORMATS[0]
    review: str | None = None
    stop: bool = False
    runner: Runner = dataclasses.field(default_factory=Runner)


def run(job):
    """Labels rows.

    Args:
        job: The `Job`.

    Returns:
        What summary.json holds, a dict.

    Raises:
        InputError: If something cannot be meant, read or written.
    """
    model = Served(job.model)
    model = scoring.opened(model.path, model.fingerprint)
    corrections = _corrections(job, model)
    chunks = list(requests.chunks(model, job.inputs, job.options))
    output = pathlib.Path(job.output)
    _prepare(output)
    folder = str(output / _SCORES)
    shards = Shards(folder, model.fingerprint, job.distribution)
    scoring.score(model, chunks, shards, job.stop, job.runner.pipeline)
    paths = tuple(shards.path(chunk) for chunk in chunks)
    reader = Reader(paths, _class_names(model, paths), corrections)
    seen = _seen(reader, job, output)
    plan = keeping.plan(reader, job.keep, seen)
    # It speaks of what is replaced now.
    (output / _SUMMARY).unlink(missing_ok=True)
    files = _labels(job, chunks, reader, plan, model.fingerprint, output)
    summary = _summary(job, model, reader.class_names, seen, plan, files)
    text = json.dumps(summary, indent=1, ensure_ascii=False)
    with replacing(output / _SUMMARY) as partial:
        partial.write_text(f"{text}\n", encoding="utf-8")
    return summary


def _corrections(job, model):
    if job.review is None:
        return {}
    if model.about is None:
        raise InputError(
            "--review needs a model that names all classes, as bin/train and "
            f"bin/export write them; got {shown(model.path)}; leave it out"
        )
    names = model.about.class_names
    return {
        _utf8(name): names[number]
        for name, number in review.read(job.review, names).items()
    }


def _utf8(name):
    """As files are named in labels: bytes of another encoding are escaped."""
    content = name.encode("utf-8", "surrogateescape")
    return content.decode("utf-8", "backslashreplace")


def _prepare(output):
    """Makes the directory; one of others stays as it is."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        others = sorted(shown(x.name) for x in output.iterdir())
        if others and not (output / _SCORES).is_dir():
            raise InputError(
                "--output must be a directory of bin/label, an empty one or a "
                f"new one; got {shown(output)}, which holds {listed(others)}; "
                "name another"
            )
        (output / _SCORES).mkdir(exist_ok=True)
        # Of a process that was killed.
        for left in (output / _SCORES).glob(".*.parquet"):
            left.unlink()
    except OSError as error:
        raise InputError(
            f"--output must be a directory that can be written; got "
            f"{shown(output)} ({reason_of(error)}); name another"
        ) from error


def _class_names(model, paths):
    if model.about is not None:
        return model.about.class_names
    found = set()
    for path in paths:
        table = read(path, ["label"])
        found |= {*pyarrow.compute.unique(table["label"]).to_pylist()}
    return tuple(sorted(found - {None}))


def _seen(reader, job, output):
    """Counts rows, and lists those without a label."""
    listed_in = output / _UNREADABLE
    with (
        replacing(listed_in) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        lines = csv.writer(file)
        lines.writerow(["id", "reason"])

        def aside(bad):
            if job.stop:
                scoring.refuse_unreadable(bad)
            cells = (bad[x].to_pylist() for x in ("id", "reason"))
            lines.writerows(zip(*cells, strict=True))

        seen = keeping.seen(reader, job.keep.confidence, aside)
    if not seen.bad:
        listed_in.unlink()
    unknown = sorted({*reader.corrections} - seen.corrected)
    if unknown:
        raise InputError(
            "--review must name rows of --input that can be read; got "
            f"{listed([shown(x) for x in unknown])}; leave them out"
        )
    return seen


def _labels(job, chunks, reader, plan, teacher, output):
    """Writes all files beside their folder, and moves it there."""
    final, partial = output / _LABELS, output / _PARTIAL
    columns = ("probabilities",) if job.distribution else ()
    with _folder_of_ours(partial):
        partial.mkdir()
    files = writing.write(
        chunks,
        reader,
        plan,
        teacher,
        str(partial),
        job.kind,
        columns,
        job.runner.pipeline,
    )
    with _folder_of_ours(final):
        partial.rename(final)
    return files


@contextlib.contextmanager
def _folder_of_ours(folder):
    """Removes a folder; what is not ours in it stays, and is an error."""
    try:
        if folder.exists():
            for file in folder.glob("*labels-?????-of-?????.*"):
                file.unlink()
            folder.rmdir()
        yield
    except OSError as error:
        raise InputError(
            f"{shown(folder)} must be a folder of bin/label alone; got: "
            f"{reason_of(error)}; move away what else is in it"
        ) from error


def _summary(job, model, class_names, seen, plan, files):
    columns = (
        *(seen.rows.tolist(), plan.kept.tolist()),
        plan.written.tolist(),
    )
    return {
        "model": str(model.path),
        "teacher": model.fingerprint,
        "input": list(job.inputs),
        "options": dataclasses.asdict(job.options),
        "keep": dataclasses.asdict(job.keep),
        "review": job.review,
        "classes": [
            {"label": name, "seen": found, "kept": kept, "written": written}
            for name, found, kept, written in zip(
                class_names, *columns, strict=True
            )
        ],
        "rows": {
            "seen": int(seen.rows.sum()),
            "kept": int(plan.kept.sum()),
            "written": int(plan.written.sum()),
            "labeled_by_people": seen.people,
            "unreadable": seen.bad,
        },
        "files": [f"{_LABELS}/{file}" for file in files],
    }
