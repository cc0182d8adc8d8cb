"""`bin/train`: few labels and many unlabeled images in, a classifier out."""

import dataclasses
import datetime
import functools
import os
import sys
import types
import typing

from absl import app, flags

from tf_pseudolabel.lab import networks, recipes
from tf_pseudolabel.lab.cli import local_workers, program
from tf_pseudolabel.lab.data import sources
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.effects import without_effect
from tf_pseudolabel.lab.recipes.recipe import (
    BATCHES,
    Recipe,
    read_recipe,
    recipe_class,
    with_parts,
)
from tf_pseudolabel.lab.runs import conclusion, run_directory

FLAGS = flags.FLAGS

# As --preset: the one that does best on validation data.
AUTO = "auto"


def define_flags(recipe=Recipe):
    """Defines `--recipe`, `--output_dir`, and a flag for every field.

    Args:
        recipe: The class of recipes whose fields are meant.

    Raises:
        InputError: If a part's flag is called as one of the program's is.
    """
    flags.DEFINE_string(
        "recipe",
        recipes.DEFAULT,
        f"where the defaults come from: {', '.join(recipes.RECIPES)}, or the "
        f"recipe.json of a run (default: {recipes.DEFAULT})",
    )
    flags.DEFINE_enum(
        "preset",
        None,
        [*recipes.PRESETS, AUTO],
        "how pseudo-labels are made and weighed in the literature: "
        f"{', '.join(recipes.PRESETS)}; a flag beside it wins. {AUTO} tries "
        "them on validation data and takes the best",
    )
    flags.DEFINE_float(
        "auto_minutes",
        30.0,
        "preset=auto: minutes that trying may take (default: 30)",
        lower_bound=0.1,
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "run directory; a run in it that was interrupted is continued. "
        "Default: the last such run under runs/, or a new one there",
    )
    flags.DEFINE_float(
        "checkpoint_minutes",
        10.0,
        "longest time between two checkpoints; epochs end with one, too, if "
        "it costs little beside them (default: 10)",
        lower_bound=0.0,
    )
    program.finite("auto_minutes", "checkpoint_minutes")
    flags.DEFINE_integer(
        "keep_checkpoints",
        3,
        "how many of the last checkpoints are kept (default: 3)",
        lower_bound=1,
    )
    flags.DEFINE_bool(
        "pictures",
        True,
        "make figures, TensorBoard's projector and report.html at the end; "
        "bin/report can make the page later",
    )
    flags.DEFINE_integer(
        "local_workers",
        1,
        "multi_worker: start that many workers on this machine, to try it out",
        lower_bound=1,
    )
    default = _default(recipe)
    try:
        for field in _fields(recipe):
            _define(field, getattr(default, field.name))
    except flags.DuplicateFlagError as error:
        raise InputError(
            "A part's flag has a name of its own; got that of another one: "
            f"{str(error).splitlines()[0]}"
        ) from None


def _fields(recipe):
    return [field for field in dataclasses.fields(recipe) if field.metadata]


def _default(recipe):
    """The default recipe, with the fields of a class of recipes."""
    default = recipes.RECIPES[recipes.DEFAULT]
    return recipe(**dataclasses.asdict(default))


def _define(field, default):
    kind = _kind(field)
    text = field.metadata["help"]
    choices = field.metadata["choices"]
    if default is not None:
        text += f" ({recipes.DEFAULT}: {default})"
    if field.name == "parts":
        flags.DEFINE_multi_string(field.name, None, text)
    elif choices:
        flags.DEFINE_enum(field.name, None, choices, text)
    elif kind is bool:
        flags.DEFINE_bool(field.name, None, text)
    elif kind is int:
        flags.DEFINE_integer(field.name, None, text)
    elif kind is float:
        flags.DEFINE_float(field.name, None, text)
    else:
        flags.DEFINE_string(field.name, None, text)


def _kind(field):
    if isinstance(field.type, types.UnionType):
        return typing.get_args(field.type)[0]
    return field.type


def recipe_from_flags():
    """Returns the named recipe, changed by the flags given beside it.

    Raises:
        InputError: If the recipe is unknown or a value breaks its rule.
    """
    name = FLAGS.recipe
    if name in recipes.RECIPES:
        recipe = recipes.RECIPES[name]
    elif name.endswith(".json"):
        recipe = read_recipe(name)
    else:
        raise InputError(
            f"--recipe is one of {', '.join(recipes.RECIPES)}, or a path that "
            f"ends in .json; got {name!r}."
        )
    if FLAGS["parts"].present:
        recipe = with_parts(recipe, _paths(FLAGS.parts))
    given = _given(type(recipe))
    if given.get("dataset", recipe.dataset) != recipe.dataset:
        recipe = _for_data(recipe, given["dataset"])
    if "split_file" in given:
        recipe = _for_ids(recipe, given["split_file"])
    if given.get("network", recipe.network) != recipe.network:
        recipe = _without_network(recipe)
    if FLAGS["auto_minutes"].present and FLAGS.preset != AUTO:
        raise InputError(
            f"--auto_minutes is for --preset={AUTO}; got --preset="
            f"{FLAGS.preset}. Leave it out."
        )
    values = {}
    if FLAGS.preset not in (None, AUTO):
        # Slow: only where there is a preset.
        methods = program.load("tf_pseudolabel.lab.runs.methods")
        values = methods.preset_values(FLAGS.preset, recipe, given)
    recipe = dataclasses.replace(recipe, **{**values, **given})
    # Of a preset that is still to be found, it is said afterwards.
    for problem in _without_effect(recipe) if FLAGS.preset != AUTO else ():
        raise InputError(problem)
    return recipe


def _without_effect(recipe):
    """Why flags that are given change nothing, a line each."""
    problems = (without_effect(recipe, n) for n in _given(type(recipe)))
    return list(filter(None, problems))


def _given(recipe):
    """The fields that the command line gives, in their final form."""
    given = {
        field.name: FLAGS[field.name].value
        for field in _fields(recipe)
        if FLAGS[field.name].present and field.name != "parts"
    }
    chosen = {f.name for f in _fields(recipe) if f.metadata["choices"]}
    for name, value in given.items():
        # recipe.json is read from other directories, too.
        if name.endswith("_dir"):
            given[name] = _absolute(value)
        elif name.endswith("_file") and name not in chosen:
            alone = os.path.exists(_absolute(value))
            given[name] = _absolute(value) if alone else _paths([value])
        elif name == "dataset" and sources.is_path(value):
            given[name] = _absolute(value)
    if given.get("weights", "none") not in networks.NO_FILE:
        given["weights"] = _absolute(given["weights"])
    if "network" in given:
        given["network"] = networks.located(given["network"])
    return given


def _absolute(path):
    return os.path.abspath(os.path.expanduser(path))


def _paths(given):
    """Paths, separated by commas, of a flag that may be given several times."""
    return ",".join(_absolute(path) for path in ",".join(given).split(","))


def parts_of(arguments):
    """Looks for parts of a user's own before there are flags to parse.

    Args:
        arguments: The command line, without the program's name.

    Returns:
        Their files, as `Recipe.parts`: those that `--parts` names, or those of
        the run whose recipe.json `--recipe` names. None: none.

    Raises:
        InputError: If the recipe cannot be read.
    """
    found = {"parts": [], "recipe": []}
    following = [*arguments[1:], ""]
    for argument, next_one in zip(arguments, following, strict=False):
        if argument == "--":
            break
        name, sign, value = argument.partition("=")
        name = name.removeprefix("-").removeprefix("-")
        if argument.startswith("-") and name in found:
            found[name].append(value if sign else next_one)
    if any(found["parts"]):
        return _paths(found["parts"])
    if found["recipe"] and found["recipe"][-1].endswith(".json"):
        return read_recipe(found["recipe"][-1]).parts
    return None


def _for_data(recipe, dataset):
    """The recipe, with what suits other data than its own."""
    source = sources.of(dataset)
    if source.defaults.get("network", recipe.network) != recipe.network:
        recipe = _without_network(recipe)
    counts = ("num_labeled", "num_unlabeled", "num_validation", "num_test")
    values = dict(source.defaults)
    if source.own:
        values |= dict.fromkeys((*counts, "split"))
        # Those of the recipe speak of its own data.
        values |= {"name": dataset, "description": source.help}
    return dataclasses.replace(recipe, **values)


def _for_ids(recipe, path):
    """The recipe, without its counts of sets whose ids a file names."""
    ids = program.load("tf_pseudolabel.lab.runs.records").read_ids(path)
    named = {f"num_{name}" for name in ids} if isinstance(ids, dict) else set()
    if "num_labeled" in named:
        named.add("split")
    fields = {field.name for field in _fields(recipe)}
    return dataclasses.replace(recipe, **dict.fromkeys(named & fields))


def _without_network(recipe):
    """The recipe without the options of its network, which is another's."""
    names = ("weights", "freeze", "backbone_learning_rate")
    return dataclasses.replace(
        recipe,
        **{
            field.name: field.default
            for field in _fields(recipe)
            if field.metadata["option"] or field.name in names
        },
    )


def lowerable(recipe, preset=None):
    """Finds batch sizes that neither the user nor the preset asked for.

    Args:
        recipe: The `Recipe`.
        preset: Name of its preset; None: there is none.

    Returns:
        A tuple of names.
    """
    asked = {name for name in BATCHES if FLAGS[name].present}
    if preset is not None:
        methods = program.load("tf_pseudolabel.lab.runs.methods")
        asked |= methods.fixed_batches(preset)
    return tuple(name for name in BATCHES if name not in asked)


def main(argv):
    """Trains as the flags say and prints the table."""
    if len(argv) > 1:
        raise app.UsageError(
            f"bin/train takes flags only; got {argv[1]!r}. See --help."
        )
    try:
        recipe = recipe_from_flags()
        if FLAGS.local_workers > 1 and recipe.strategy != "multi_worker":
            raise InputError(
                "--local_workers is for --strategy=multi_worker; got "
                f"--strategy={recipe.strategy}."
            )
    except InputError as error:
        raise app.UsageError(str(error)) from None
    output_dir = _output_dir(recipe)
    if FLAGS.local_workers > 1:
        return local_workers.run(FLAGS.local_workers, output_dir)

    # Slow: not before flags are parsed.
    experiment = program.load("tf_pseudolabel.lab.runs.experiment")
    preset, data = FLAGS.preset, None
    if preset == AUTO:
        choosing = program.load("tf_pseudolabel.lab.search.choosing")
        given = _given(type(recipe))
        preset, recipe, data = choosing.choose(
            recipe, given, output_dir, FLAGS.auto_minutes
        )
        for problem in _without_effect(recipe):
            print(f"Without effect: {problem}")
    metrics = experiment.run(
        recipe,
        output_dir,
        FLAGS.checkpoint_minutes,
        FLAGS.keep_checkpoints,
        FLAGS.pictures,
        lowerable(recipe, preset),
        data,
        tell=functools.partial(_tell, output_dir),
    )
    if metrics is None:
        print(f"This worker is done; the chief writes {output_dir}.")
    return 0


def _tell(output_dir, metrics):
    print(table(metrics))
    print(f"\n{conclusion.conclude(metrics)}")
    # Pictures follow, which take a while.
    print(f"\nRun directory: {output_dir}", flush=True)


def _output_dir(recipe):
    """The directory named, else that of an interrupted run, else a new one."""
    if FLAGS.output_dir:
        return FLAGS.output_dir
    if recipe.strategy == "multi_worker" and FLAGS.local_workers == 1:
        raise app.UsageError(
            "--strategy=multi_worker needs --output_dir, a directory that all "
            "machines see."
        )
    record = "search.json" if FLAGS.preset == AUTO else "recipe.json"
    found = run_directory.interrupted(
        "runs", dataclasses.asdict(recipe), record
    )
    started = datetime.datetime.now()
    return str(found or f"runs/{recipe.name}-{started:%Y%m%d-%H%M%S}")


def table(metrics):
    """Lays out the figures of a run.

    Args:
        metrics: The content of `metrics.json`.

    Returns:
        A string, a line per arm under a header.
    """
    lines = [
        f"{'arm':<14}{'labels':>8}{'unlabeled':>11}"
        f"{'test error %':>14}{'seconds':>9}"
    ]
    for arm, figures in metrics.items():
        lines.append(
            f"{arm:<14}{figures['labeled_examples']:>8}"
            f"{figures['unlabeled_examples']:>11}"
            f"{figures['test_error_percent']:>14.2f}"
            f"{figures['train_seconds']:>9.1f}"
        )
    return "\n".join(lines)


def help_text():
    """What `--help` prints above the flags."""
    width = 2 + max(map(len, recipes.RECIPES))
    return "\n".join(
        [
            "Trains a supervised baseline and a pseudo-label classifier.",
            "",
            "Recipes:",
            *(
                f"  {r.name:<{width}}{r.description}"
                for r in recipes.RECIPES.values()
            ),
            "Networks:",
            *(
                f"  {name:<{width}}{text}"
                for name, text in (networks.NETWORKS | networks.OTHERS).items()
            ),
            "Data sets:",
            *(f"  {n}: {row.help}" for n, row in sources.SOURCES.items()),
            f"  {sources.TFDS_NAMES}: {sources.TFDS.help}",
            "Flags:",
        ]
    )


def run():
    """Entry point of the program."""
    try:
        define_flags(recipe_class(parts_of(sys.argv[1:])))
    except InputError as error:
        sys.exit(program.fail(error, program.USAGE_ERROR))
    program.run(main, help_text())


if __name__ == "__main__":
    sys.exit(run())
