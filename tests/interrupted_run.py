"""Runs that end themselves at a given moment: what tests of resuming start.

    python interrupted_run.py

Loads TensorFlow once, and forks a process for each run, which is as a program
of its own: nothing of TensorFlow has begun before. Standard input has a line of
JSON per turn: a list of runs that go on at once, each with `arguments`,
`environment` and the files `out` and `err`. Standard output answers with a line
of their exit statuses, a signal being negative.

Arguments are RECIPE.json OUTPUT_DIR MINUTES SIGNAL WHERE. MINUTES is the
longest time between two checkpoints. WHERE is `nowhere`, `ARM EPOCH BATCH`
(before that batch is trained on), `checkpoint N` (while the N-th checkpoint of
this process is being written) or `file NAME` (while that file of the run is
being written).
"""

import json
import os
import signal
import sys

import tensorflow as tf

from tf_pseudolabel.lab.callbacks.checkpoints import Checkpoints
from tf_pseudolabel.lab.cli import program
from tf_pseudolabel.lab.recipes.recipe import read_recipe
from tf_pseudolabel.lab.runs import experiment, run_directory


def _end(name):
    os.kill(os.getpid(), getattr(signal, name))


def at_batch(name, arm, epoch, batch):
    """Ends the process before a batch, and after what may be saved there."""
    check = Checkpoints.on_train_batch_begin

    def count(self, number, logs=None):
        here = (self.directory.name, self.epoch, number + self._first_batch)
        if here == (arm, int(epoch), int(batch)):
            _end(name)
        check(self, number, logs)

    Checkpoints.on_train_batch_begin = count


def in_checkpoint(name, number):
    """Ends the process while TensorFlow writes, and leaves a torn file."""
    save = tf.train.CheckpointManager.save
    left = [int(number)]

    def count(self, *args, **kwargs):
        left[0] -= 1
        if left[0]:
            return save(self, *args, **kwargs)
        written = save(self, *args, **kwargs)
        with open(f"{written}.data-00000-of-00001", "r+b") as file:
            file.truncate(os.path.getsize(file.name) // 2)
        _end(name)
        return written

    tf.train.CheckpointManager.save = count


def in_file(name, file):
    """Ends the process when half of a file is written."""
    replacing = run_directory.RunDirectory.replacing

    def watched(self, wanted):
        context = replacing(self, wanted)
        if wanted == file:
            partial = context.__enter__()
            partial.write_bytes(b"half")
            _end(name)
        return context

    run_directory.RunDirectory.replacing = watched


def main(argv):
    """Runs the recipe."""
    _, recipe, output_dir, minutes, name, where, *rest = argv
    if where == "checkpoint":
        in_checkpoint(name, *rest)
    elif where == "file":
        in_file(name, *rest)
    elif where != "nowhere":
        at_batch(name, where, *rest)
    recipe = read_recipe(recipe)
    experiment.run(
        recipe,
        output_dir,
        checkpoint_minutes=float(minutes),
        # They are drawn of what is saved, and take most of a short run.
        with_pictures=False,
    )


LONGEST = 300  # Seconds that a run may take.


def _fork(run):
    """Starts a run; returns the number of its process."""
    number = os.fork()
    if number:
        return number
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        file = os.open(run[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream.fileno())
    os.environ.update(run["environment"])
    sys.argv[1:] = run["arguments"]
    signal.alarm(LONGEST)
    # A job in the background begins with it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    program.run(main, "")
    return None


def serve():
    """Starts what standard input says, and tells how it ended."""
    for line in sys.stdin:
        numbers = [_fork(run) for run in json.loads(line)]
        statuses = [os.waitpid(number, 0)[1] for number in numbers]
        print(json.dumps([*map(os.waitstatus_to_exitcode, statuses)]))
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
