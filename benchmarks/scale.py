"""What a million examples cost: the start, and memory, beside ten thousand.

    .venv/bin/python benchmarks/scale.py --output=scale.json

`bin/train` on image files of 28 x 28 pixels, rows of a table and short texts,
without cache: seconds until training begins, for files of which nothing is
known and once more, and memory until then and after that. A run is ended so
many seconds after training began. Files are made in TMPDIR, 4 KB for each
picture.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import pictures
import timing
from absl import app, flags

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_list("counts", ["10000", "1000000"], "examples, few and many")
flags.DEFINE_list("kinds", ["files", "table", "text"], "what is measured")
flags.DEFINE_integer("seconds", 120, "of training, then a run is ended")

LABELED = 1000
# As many updates of few examples as of many, or their number would count, too.
TRAIN = (
    *("-m", "tf_pseudolabel.lab.cli.train", "--nobaseline", "--nopictures"),
    *("--epochs=1000000", "--t1=0", "--t2=0", "--cache=none"),
    *("--labeled_batch=32", "--unlabeled_batch=256"),
)


def write_files(folder, count):
    """Writes pictures; returns flags."""
    pictures.write_png(folder, count)
    return "--dataset=folders", f"--labeled_dir={folder}", "--network=mlp"


def write_table(folder, count):
    """Writes ten columns of numbers and three of texts; returns flags."""
    import numpy as np

    rng = np.random.default_rng(0)
    folder.mkdir()
    with open(folder / "rows.csv", "w", encoding="utf-8") as file:
        names = [f"x{i}" for i in range(10)] + ["colour", "town", "flag"]
        print(*names, "label", sep=",", file=file)
        for _ in range(count):
            label = rng.integers(3)
            numbers = [f"{x:.5f}" for x in rng.normal(label, 2, 10)]
            colour, town, flag = rng.integers([3, 500, 2])
            texts = [f"colour{colour}", f"town{town}", f"flag{flag}"]
            print(*numbers, *texts, f"c{label}", sep=",", file=file)
    return (
        *("--dataset=table", f"--data_file={folder / 'rows.csv'}"),
        "--label_column=label",
    )


def write_text(folder, count):
    """Writes texts of 8 to 20 words; returns flags."""
    import numpy as np

    rng = np.random.default_rng(0)
    folder.mkdir()
    with open(folder / "rows.csv", "w", encoding="utf-8") as file:
        print("text,label", file=file)
        for _ in range(count):
            label = rng.integers(3)
            numbers = rng.integers(300, size=rng.integers(7, 20))
            words = [f"word{x}" for x in numbers]
            print(*words, f"topic{label}", f",c{label}", file=file)
    return (
        *("--dataset=text", f"--data_file={folder / 'rows.csv'}"),
        *("--label_column=label", "--text_column=text"),
    )


def megabytes(process):
    """What a process holds in memory now; None: it has ended."""
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return None


def trained(given, run_dir):
    """Seconds until training begins, and memory before and after that."""
    process = subprocess.Popen(
        [sys.executable, *TRAIN, *given, f"--output_dir={run_dir}"],
        stdout=subprocess.DEVNULL,
    )
    start, begun, before, after = time.perf_counter(), None, [], []
    while process.poll() is None:
        held, now = megabytes(process), time.perf_counter() - start
        if held is not None:
            (before if begun is None else after).append(held)
        if begun is None and (run_dir / "split.json").exists():
            begun = now
        if begun is not None and now - begun > flags.FLAGS.seconds:
            process.kill()
            process.wait()
            return begun, max(before), statistics.median(after), max(after)
        time.sleep(0.05)
    raise SystemExit(f"bin/train ended with status {process.returncode}")


def measured(kind, count, folder):
    """Figures of one kind and count."""
    given = globals()[f"write_{kind}"](folder / f"{kind}-{count}", count)
    given = (*given, f"--num_labeled={min(LABELED, count // 10)}")
    first, again = (
        trained(given, folder / f"run-{kind}-{count}-{turn}") for turn in "12"
    )
    name = f"{count:,} {kind}"
    yield timing.figure(f"{name}: first start", "s", [first[0]])
    yield timing.figure(f"{name}: start", "s", [again[0]])
    both = list(zip(first, again, strict=True))
    yield timing.figure(f"{name}: memory at the start", "MB", both[1])
    yield timing.figure(f"{name}: memory while training", "MB", both[2])
    yield timing.figure(f"{name}: peak memory", "MB", both[3])


def main(_):
    """Measures all kinds and counts."""
    figures = []
    with tempfile.TemporaryDirectory() as made:
        # First starts are first, and leave nothing behind.
        os.environ["XDG_CACHE_HOME"] = f"{made}/cache"
        for kind in flags.FLAGS.kinds:
            for count in map(int, flags.FLAGS.counts):
                figures += measured(kind, count, pathlib.Path(made))
    timing.report("scale", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
