"""Compares variants of a recipe on validation data, over several splits.

    .venv/bin/python benchmarks/choose_recipe.py --recipe=digits_conv \
        --variants='alpha_f=1;alpha_f=3;t1=10,t2=60' --seeds=100,101,102

The test set is not touched. Every finished training is appended to --output, a
CSV file, and is not run again when the same command is given again.
"""

import csv
import dataclasses
import os
import pathlib
import statistics

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
    fields = {field.name: field for field in dataclasses.fields(recipe)}
    changes = {"seed": int(seed), "data_dir": flags.FLAGS.data_dir}
    for change in filter(None, text.split(",")):
        name, value = change.split("=")
        kind = type(getattr(recipe, fields[name].name))
        changes[name] = kind(value)
    return dataclasses.replace(recipe, **changes)


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
    _, counts = training.train(
        arm, recipe, data, split, tf.distribute.get_strategy(), [keep]
    )
    last = [float(value) for value in accuracies[-LAST_EPOCHS:]]
    return statistics.mean(last), counts["train_seconds"]


def finished(path):
    """Reads the trainings that an earlier call finished."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main(_):
    """Trains what is missing and prints the means."""
    from tf_pseudolabel.lab import recipes
    from tf_pseudolabel.lab.runs import training

    path = pathlib.Path(flags.FLAGS.output)
    rows = finished(path)
    done = {tuple(row[key] for key in COLUMNS[:4]) for row in rows}
    recipe = recipes.RECIPES[flags.FLAGS.recipe]
    arms = {
        arm.name: arm for arm in (training.SUPERVISED, training.PSEUDO_LABEL)
    }
    for text in flags.FLAGS.variants.split(";"):
        for seed in flags.FLAGS.seeds:
            for arm in map(arms.get, flags.FLAGS.arms):
                key = (recipe.name, text, seed, arm.name)
                if key in done:
                    continue
                accuracy, seconds = validation_accuracy(
                    variant_of(recipe, text, seed), arm
                )
                row = dict(zip(COLUMNS, (*key, accuracy, seconds), strict=True))
                with path.open("a", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS)
                    if file.tell() == 0:
                        writer.writeheader()
                    writer.writerow(row)
                print(row, flush=True)


if __name__ == "__main__":
    app.run(main)
