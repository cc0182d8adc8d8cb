"""Runs: a recipe in, a directory out. From Python, too."""

import dataclasses


def run(recipe, output_dir, source=None, network=None, **options):
    """Trains the arms of a recipe, on data and with a network of your own.

    What `bin/train` does, in a program or a notebook: if the directory holds
    the same run, interrupted, it goes on.

    Args:
        recipe: A `Recipe`, of `tf_pseudolabel.lab.recipes.RECIPES` for example.
        output_dir: A directory that is new, empty, or that of such a run.
        source: `tf_pseudolabel.lab.data.examples.Data`. All labels are used,
            and hold-outs fit, unless the recipe says counts. Defaults to what
            the recipe names.
        network: A function from the `tf.TensorSpec` of a row (several: nested)
            and the number of classes to a `keras.Model` of logits; by name it
            may ask for the recipe's options, such as `dropout`. Defaults to
            what the recipe names.
        **options: As for `experiment.run`.

    Returns:
        The content of `metrics.json`: a dict from arm to figures.

    Raises:
        InputError: If recipe, data and network do not fit together.
        Interrupted: If a signal asked the process to end; all is saved.
    """
    # Programs read other modules of this room before TensorFlow is there.
    from tf_pseudolabel.lab import networks
    from tf_pseudolabel.lab.runs import experiment

    given = {}
    if source is not None:
        given["dataset"] = "python"
    if network is not None:
        given["network"] = networks.name_of(network)
    return experiment.run(
        dataclasses.replace(recipe, **given),
        output_dir,
        source=source,
        network=network,
        **options,
    )
