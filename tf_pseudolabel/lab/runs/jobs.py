"""What is settled before anything is trained: data, split, batches, network."""

import ctypes
import dataclasses
import functools
import re
import typing

from tf_pseudolabel.distribution import strategies as cluster
from tf_pseudolabel.lab.data import batches, overview, sources, splits
from tf_pseudolabel.lab.data.examples import Data
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.data.tasks import Task, task_of
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes import effects
from tf_pseudolabel.lab.recipes.recipe import BATCHES, Recipe, read_recipe
from tf_pseudolabel.lab.runs import methods, provenance, training
from tf_pseudolabel.lab.runs.records import (
    read_class_names,
    read_ids,
    read_split,
)
from tf_pseudolabel.lab.runs.results import load_data

_SERVICE = r"(grpc://)?[^\s/]+:(?P<port>[0-9]{1,5})"


class Job(typing.NamedTuple):
    """A run that may begin.

    Attributes:
        recipe: The `Recipe`, with all that it leaves to the data.
        data: The `Data`.
        split: A `Split` of raw inputs.
        task: The `Task`: the same split as the network takes it.
    """

    recipe: Recipe
    data: Data
    split: Split
    task: Task


def begun(recipe, shared, run_dir, strategy, lowerable, source, network):
    """Settles a run, says what goes where, and writes down what is run.

    Args:
        recipe: A `Recipe`.
        shared: The `RunDirectory` of the run, which all machines read.
        run_dir: The `RunDirectory` to write to; of the chief, the same.
        strategy: A `tf.distribute.Strategy`.
        lowerable: As for `experiment.run`.
        source: As for `experiment.run`.
        network: As for `experiment.run`.

    Returns:
        A `Job`.

    Raises:
        InputError: If recipe, data and network do not fit together, or the
            directory holds a run of others.
    """
    _check_service(recipe)
    data = load_data(recipe) if source is None else source
    split = draw_split(recipe, data)
    left = left_to(data, recipe, split, strategy, lowerable)
    is_chief = cluster.is_chief(strategy)
    for line in _news(data, split, recipe, left) if is_chief else ():
        print(line)
    asked, recipe = recipe, dataclasses.replace(recipe, **left)
    _check_batches(recipe, split, strategy)
    _check_alpha(recipe, split)
    for line in _long_averages(recipe, split) if is_chief else ():
        print(line)
    task = task_of(data, split, network, methods.needs_floats(recipe))
    _give_back()
    _check_portable(recipe, task.split)
    for note in task.encoding.notes if is_chief else ():
        print(note)
    training.build_classifier(recipe, task)  # Rows that do not fit?
    methods.arguments(recipe)  # Parts that cannot be made?
    _record(asked, left, data, split, shared, run_dir)
    return Job(recipe, data, split, task)


def left_to(data, recipe, split, strategy, lowerable):
    """Finds what a recipe leaves to the data.

    Args:
        data: The `Data`.
        recipe: A `Recipe`.
        split: A `Split`.
        strategy: A `tf.distribute.Strategy`.
        lowerable: As for `experiment.run`.

    Returns:
        A dict of fields of the recipe: batch sizes that are lowered, network
        and views.

    Raises:
        InputError: If nothing suits the data.
    """
    found = _lowered(recipe, split, strategy, lowerable)
    if recipe.network is None:
        found["network"] = data.kind.network
    if recipe.views == "auto":
        found["views"] = _views_of(data)
    return found


def draw_split(recipe, data):
    """Draws the labeled, unlabeled, validation and test rows of a recipe.

    Args:
        recipe: A `Recipe`.
        data: What `load_data` returned for it.

    Returns:
        A `Split`.

    Raises:
        InputError: If there are no such rows, or `split_file` names others.
    """
    own = sources.of(recipe.dataset).own
    draw = functools.partial(
        splits.draw,
        data,
        num_labeled=recipe.num_labeled,
        num_validation=recipe.num_validation,
        num_test=recipe.num_test,
        num_unlabeled=recipe.num_unlabeled,
        seed=recipe.seed,
        split=recipe.split or "balanced",
        held_out="stratified" if own else "balanced",
    )
    if recipe.split_file is None:
        return draw()
    try:
        return draw(ids=read_ids(recipe.split_file))
    except InputError as error:
        raise InputError(f"--split_file={recipe.split_file}: {error}") from None


def check_recipe(recipe, shared):
    """Refuses to go on with a run of another recipe.

    Args:
        recipe: A `Recipe`.
        shared: The `RunDirectory` of what may be a run.

    Raises:
        InputError: If the flags of that run are others.
    """
    if not (shared / "recipe.json").exists():
        return
    recorded = read_recipe(shared / "recipe.json")
    flags = [
        field.name
        for field in dataclasses.fields(recipe)
        # Runs with other parts lack some; that the parts differ is said.
        if field.metadata and hasattr(recorded, field.name)
    ]
    pairs = {n: (getattr(recorded, n), getattr(recipe, n)) for n in flags}
    changed = [
        f"--{name}={theirs} (now {ours})"
        for name, (theirs, ours) in pairs.items()
        if theirs != ours
    ]
    if changed:
        raise InputError(
            f"{shared.path} holds a run with other flags: {', '.join(changed)}."
            " Give the same ones to go on, or name another --output_dir."
        )


def _record(recipe, lowered, data, split, shared, run_dir):
    """Writes down what is run, or checks that it still is."""
    begun = (shared / "split.json").exists()
    if begun:
        check_contents(shared, data)
    if begun and (
        not _is_of(shared, split)
        or read_class_names(shared, data) != data.class_names
    ):
        raise InputError(
            f"The data are not those with which the run in {shared.path} "
            "began: its split.json or classes.json names others. Name another "
            "--output_dir."
        )
    if not begun:
        record = {
            **provenance.record(recipe),
            "lowered": lowered,
            "contents": data.contents,
        }
        run_dir.write_json("recipe.json", record)
    if not (shared / "classes.json").exists():
        run_dir.write_json("classes.json", data.class_names)
    if data.skipped:
        with run_dir.replacing("bad_files.txt") as partial:
            lines = "".join(f"{line}\n" for line in data.skipped)
            partial.write_text(lines, encoding="utf-8")
    if not begun:
        run_dir.write_lists("split.json", split.named())


def check_contents(shared, data):
    """Refuses rows that have other values than when a run began.

    Args:
        shared: The `RunDirectory` of the run.
        data: The `Data` of now.

    Raises:
        InputError: If the values are others.
    """
    # Runs of earlier versions did not say.
    then = shared.read_json("recipe.json").get("contents")
    if then and data.contents and then != data.contents:
        raise InputError(
            f"The data are not those with which the run in {shared.path} "
            "began: rows of the same names hold other values. Bring those "
            "back, or name another --output_dir."
        )


def _give_back():
    """Has the C library return the memory that loading does not need any more.

    Of a million examples it would keep more than they take.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # There is one on Linux.
        trim(0)


def _is_of(shared, split):
    """Whether a run was made with this split."""
    if shared.holds_lists("split.json", split.named()):
        return True
    # Another version may have written the same in another way.
    return read_split(shared) == split.ids()


def _lowered(recipe, split, strategy, lowerable):
    """The batch sizes that are more than there is, and what they become."""
    replicas = strategy.num_replicas_in_sync
    lowered = {}
    for name in lowerable:
        rows = len(getattr(split, name.removesuffix("_batch")))
        if getattr(recipe, name) > rows >= replicas:
            lowered[name] = rows // replicas * replicas
    return lowered


def _news(data, split, recipe, left):
    """Says what goes where."""
    asked = {"test": recipe.num_test, "validation": recipe.num_validation}
    yield from overview.describe(data, split, asked)
    for name in filter(left.__contains__, BATCHES):
        yield (
            f"--{name} is lowered from {getattr(recipe, name)} to "
            f"{left[name]}: there are no more examples."
        )


def _long_averages(recipe, split):
    steps = recipe.steps_per_epoch
    if steps is None:
        steps = batches.count(split.unlabeled, recipe.unlabeled_batch)
    return effects.long_averages(recipe, steps * recipe.epochs)


def _views_of(data):
    """The views that suit a kind of data."""
    views = data.kind.views(data.train.spec)
    if views is None:
        raise InputError(
            "--views=auto is for images, texts, tables and rows of floats; got "
            f"{data.train.spec}. Give --views=none, or --parts with views of "
            "your own."
        )
    return views


def _check_service(recipe):
    address = recipe.data_service
    if address is None:
        return
    found = re.fullmatch(_SERVICE, address)
    if not found or not 0 < int(found["port"]) < 2**16:
        raise InputError(
            "--data_service is the address of a tf.data service, as "
            f"grpc://host:port; got {address!r}. Give that of its dispatcher."
        )


def _check_portable(recipe, split):
    parts = split.labeled, split.unlabeled
    if recipe.data_service and not all(x.inputs.portable for x in parts):
        raise InputError(
            "--data_service reads JPEG and PNG files alone, and none that EXIF "
            "turns, and no texts; got others. Give --cache=memory, or convert "
            "them."
        )


def _check_alpha(recipe, split):
    """Refuses to train on no pseudo-label, unless that is what is asked."""
    if recipe.alpha_f > 0 and not training.largest_alpha(recipe, split) > 0:
        raise InputError(
            "alpha must be above 0 in one epoch at least, or no pseudo-label "
            f"is trained on; got t1={recipe.t1:g} and t2={recipe.t2:g} with "
            f"{recipe.epochs} epochs. Lower --t1 and --t2, raise --epochs, or "
            "give --alpha_f=0 if that is what you want."
        )


def _check_batches(recipe, split, strategy):
    replicas = strategy.num_replicas_in_sync
    for name in ("labeled", "unlabeled"):
        rows = len(getattr(split, name))
        batch = getattr(recipe, f"{name}_batch")
        if batch > rows:
            raise InputError(
                f"--{name}_batch must not exceed the {name} examples; got "
                f"{batch} for {rows} examples. Lower it to {rows} or less."
            )
        if batch % replicas:
            raise InputError(
                f"--{name}_batch is shared by {replicas} replicas and must be "
                f"a multiple of {replicas}; got {batch}. Try "
                f"{-(-batch // replicas) * replicas}."
            )
        if recipe.strategy == "tpu" and rows % batch:
            raise InputError(
                f"A TPU needs batches of one size: --num_{name} must be a "
                f"multiple of --{name}_batch; got {rows} and {batch}. Try "
                f"--num_{name}={rows // batch * batch}."
            )
