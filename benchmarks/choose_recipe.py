"""Compares variants of a recipe on validation data, over several splits.

    .venv/bin/python benchmarks/choose_recipe.py --recipe=digits_conv \
        --variants='alpha_f=1;alpha_f=3;t1=10,t2=60' --seeds=100,101,102

The test set is not touched. Every finished training is appended to --output, a
CSV file, and is not run again when the same command is given again.
"""

import csv
import dataclasses
import json
import os
import pathlib
import statistics
import time

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

flags.DEFINE_string("recipe", "digits_conv", "recipe that is varied")
flags.DEFINE_string(
    "variants", "", "semicolon-separated variants: field=value,field=value"
)
flags.DEFINE_list("seeds", ["100", "101", "102"], "seeds of splits and weights")
flags.DEFINE_list("arms", ["supervised", "pseudo_label"], "arms to train")
flags.DEFINE_string("data_dir", None, "where TFDS keeps prepared data sets")
flags.DEFINE_string("output", "/tmp/choose_recipe.csv", "finished trainings")

COLUMNS = ("recipe", "variant", "seed", "arm", "val_accuracy", "seconds")
LAST_EPOCHS = 10


def variant_of(recipe, text, seed):
    """Returns the recipe with `field=value,...` and a seed."""
    from tf_pseudolabel.lab.errors import InputError

    changes = {"seed": int(seed), "data_dir": flags.FLAGS.data_dir}
    try:
        for change in filter(None, text.split(",")):
            name, value = change.split("=")
            changes[name] = plain(value)
        return dataclasses.replace(recipe, **changes)
    except (InputError, TypeError, ValueError) as error:
        raise app.UsageError(
            f"--variants are field=value,... of a recipe; got {text!r}: {error}"
        ) from None


def plain(text):
    """The number, true, false or null that a text names; else itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def validation_accuracy(recipe, arm):
    """Trains one arm; returns the mean over its last epochs, and seconds."""
    import keras
    import tensorflow as tf

    from tf_pseudolabel.lab.runs import experiment, training

    data = experiment.load_data(recipe)
    split = experiment.draw_split(recipe, data)
    accuracies = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: accuracies.append(logs["val_accuracy"])
    )
    start = time.monotonic()
    training.train(
        arm, recipe, data, split, tf.distribute.get_strategy(), [keep]
    )
    seconds = time.monotonic() - start
    last = [float(value) for value in accuracies[-LAST_EPOCHS:]]
    return statistics.mean(last), round(seconds, 2)


def finished(path):
    """Reads the trainings that an earlier call finished."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def means(rows):
    """Yields a line per recipe, variant and arm: the mean over its seeds."""
    cells = {}
    for row in rows:
        key = row["recipe"], row["variant"], row["arm"]
        cells.setdefault(key, []).append(100 * float(row["val_accuracy"]))
    for (recipe, variant, arm), found in cells.items():
        yield (
            f"{recipe}, {variant or 'as it is'}, {arm}: "
            f"{statistics.mean(found):.2f} % over {len(found)} seeds"
        )


def main(_):
    """Trains what is missing and prints the means."""
    from tf_pseudolabel.lab import recipes
    from tf_pseudolabel.lab.runs import training

    path = pathlib.Path(flags.FLAGS.output)
    done = {tuple(row[key] for key in COLUMNS[:4]) for row in finished(path)}
    recipe = recipes.RECIPES[flags.FLAGS.recipe]
    arms = {
        arm.name: arm for arm in (training.SUPERVISED, training.PSEUDO_LABEL)
    }
    trainings = {
        (recipe.name, text, seed, arm): variant_of(recipe, text, seed)
        for text in flags.FLAGS.variants.split(";")
        for seed in flags.FLAGS.seeds
        for arm in flags.FLAGS.arms
    }
    for key, variant in trainings.items():
        if key in done:
            continue
        found = validation_accuracy(variant, arms[key[-1]])
        row = dict(zip(COLUMNS, (*key, *found), strict=True))
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
        print(row, flush=True)
    print(*means(finished(path)), sep="\n")


if __name__ == "__main__":
    app.run(main)
