"""Rounds of self-training: train, label, keep the surest, train anew.

What `tpl.SelfTraining` does in memory, as a run: the directory itself is an
ordinary run, whose arms are the first round and the last; in `round-N` is what
each round was given and what it trained.
"""

import dataclasses
import gc
import shutil

import numpy as np

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.data import batches, review
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import (
    evaluation,
    experiment,
    round_labels,
    training,
)
from tf_pseudolabel.lab.runs.arms import Arms, saved, train_arm
from tf_pseudolabel.lab.runs.records import ARM_FILES
from tf_pseudolabel.lab.runs.results import load_classifier
from tf_pseudolabel.lab.runs.round_labels import CORRECTIONS, LABELS, Labels
from tf_pseudolabel.lab.runs.run_directory import RunDirectory
from tf_pseudolabel.self_training import surest

CLASSIFIER = "classifier.keras"
# What rounds settle, and how recipes leave it open.
_SETTLED = {
    "teacher": "inference",
    "alignment": "none",
    "restart_epochs": None,
    "baseline": True,
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What rounds there are.

    Attributes:
        share: Tuple of floats above 0 and at most 1: the share of every class
            that each round after the first keeps.
        confidence: Float in [0, 1]: rows must be as sure, besides.
        start: "scratch", or "teacher": students begin with its weights.
        student_network: As `Recipe.network`; None: the recipe's.
    """

    share: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    confidence: float = 0.0
    start: str = "scratch"
    student_network: str | None = None

    def __post_init__(self):
        if not self.share or not all(0 < one <= 1 for one in self.share):
            raise InputError(
                "keep_share is a share above 0 and at most 1 for each round "
                f"after the first, as 0.5,1; got {self.share}."
            )
        if self.student_network is not None:
            networks.check_name(self.student_network)


def run(
    recipe,
    plan,
    output_dir,
    review_file=None,
    tell=lambda metrics, found: None,
    **options,
):
    """Trains rounds, and leaves an ordinary run directory with them.

    If the directory holds such rounds, interrupted, goes on from the last
    checkpoint, and ends as if it had never stopped. Where they are finished and
    the plan has more of them, trains those.

    Args:
        recipe: A `Recipe`: of each round.
        plan: A `Plan`.
        output_dir: As for `experiment.run`.
        review_file: CSV file of labels by people (`lab.data.review`), which are
            given ones in every round that begins after that. Defaults to none.
        tell: As for `experiment.run`, called with what is returned.
        **options: As for `experiment.run`.

    Returns:
        A pair: the content of `metrics.json`, whose arms are the first round
        and the last; and that of `rounds.json`.

    Raises:
        InputError: As from `experiment.run`; or if the recipe has a teacher of
            its own, or the directory holds other rounds.
        Interrupted: If a signal asked the process to end; all is saved.
    """
    _check_recipe(recipe)
    run_dir = RunDirectory(output_dir)
    _check_plan(plan, run_dir)

    def found():
        return run_dir.read_json("rounds.json")

    metrics = experiment.run(
        recipe,
        output_dir,
        trainer=_Rounds(plan, review_file).train,
        tell=lambda metrics: tell(metrics, found()),
        **options,
    )
    return metrics, found()


def _check_recipe(recipe):
    for name, default in _SETTLED.items():
        if getattr(recipe, name, default) != default:
            raise InputError(
                "The first round trains on labels alone, and its network is "
                "the next one's teacher, as it is; got "
                f"--{name}={getattr(recipe, name)}. Leave it out, or give it "
                "to bin/train."
            )
    if recipe.target == "multi_hot" or recipe.strategy == "multi_worker":
        raise InputError(
            "bin/selftrain takes rows of one class, on one machine; got "
            f"--target={recipe.target} and --strategy={recipe.strategy}."
        )


def _check_plan(plan, run_dir):
    """Refuses other rounds than those of the directory; more there may be."""
    begun = (run_dir / "rounds.json").exists()
    if not begun:
        if (run_dir / "checkpoints").exists():
            raise InputError(
                f"{run_dir.path} holds a run of bin/train. Name another "
                "--output_dir."
            )
        return
    before = run_dir.read_json("rounds.json")["plan"]
    ours = _plain(plan)
    count = len(before["share"])
    if {**ours, "share": ours["share"][:count]} != before:
        raise InputError(
            f"{run_dir.path} holds rounds of another plan, {before}; got "
            f"{ours}. Give the same flags, or more shares behind them, or "
            "name another --output_dir."
        )
    if len(plan.share) > count:
        # Nothing is lost: the rounds are there, and what they come to follows.
        (run_dir / "metrics.json").unlink(missing_ok=True)


def _plain(plan):
    return {**dataclasses.asdict(plan), "share": list(plan.share)}


class _Rounds:
    """What trains, in the place of the arms of `experiment.run`.

    Args:
        plan: A `Plan`.
        review_file: As for `run`.
    """

    def __init__(self, plan, review_file):
        self._plan = plan
        self._review_file = review_file

    def train(self, job, place):
        """Trains all rounds, and measures them at the end.

        Args:
            job: A `Job`.
            place: A `Place`.

        Returns:
            `Arms`.
        """
        self._record(place.run_dir, [])
        people = {}
        if self._review_file is not None:
            people = review.read(self._review_file, job.data.class_names)
            review.corrected(job.split, people)
        trained, labels, given = [], None, {}
        for number in range(1, len(self._plan.share) + 2):
            own = RunDirectory(place.run_dir / f"round-{number}")
            given = _given(own, given, people, job)
            split, line = review.corrected(job.split, given)
            if given:
                print(f"Round {number}: {line}")
            if number > 1:
                labels = self._labels(number, own, split, labels, job)
            figures = _figures(number, split, labels)
            print(said(figures))
            found = self._train(number, own, split, labels, job, place)
            trained.append((found, figures))
        return self._finish(trained, job, place)

    def _record(self, run_dir, rounds):
        content = {"plan": _plain(self._plan), "rounds": rounds}
        run_dir.write_json("rounds.json", content)

    def _labels(self, number, own, split, before, job):
        """What the teacher of a round says: asked once, and written down."""
        names = [str(name) for name in job.data.class_names]
        if not (own / LABELS).exists():
            teacher = load_classifier(_before(own, number) / CLASSIFIER)
            found = self._asked(number, teacher, split, before, job)
            round_labels.write(own, found, split.unlabeled.labels, names)
        return round_labels.read(own / LABELS, split.unlabeled.ids, names)

    def _asked(self, number, teacher, split, before, job):
        """Asks the teacher, and keeps the surest rows."""
        examples = job.task.encoding.of(split).unlabeled
        p = evaluation.probabilities(teacher, examples, job.recipe.output)
        labels, confidence = p.argmax(axis=-1), p.max(axis=-1)
        kept = surest(labels, confidence, self._plan.share[number - 2])
        kept &= confidence >= self._plan.confidence
        if not kept.any():
            raise InputError(
                f"Round {number} must keep some rows; got none, as the surest "
                f"is {confidence.max():.3g} sure. Lower --keep_confidence, "
                f"which is {self._plan.confidence:g}."
            )
        flipped = np.zeros(len(labels), bool)
        if before is not None:
            earlier = dict(zip(before.ids, before.labels, strict=True))
            flipped = labels != [earlier[i] for i in split.unlabeled.ids]
        return Labels(split.unlabeled.ids, labels, confidence, kept, flipped)

    def _train(self, number, own, split, labels, job, place):
        """Trains a round, or restores what it has trained."""
        kept = split.unlabeled
        if labels is not None:
            kept = kept.take(np.flatnonzero(labels.kept))
        split = dataclasses.replace(split, unlabeled=kept)
        task = job.task._replace(split=job.task.encoding.of(split))
        recipe = self._recipe(job, len(kept))
        arm, after = training.SUPERVISED, None
        if labels is not None:
            arm = training.PSEUDO_LABEL
            after = training.After(
                _before(own, number) / CLASSIFIER,
                self._plan.start == "teacher",
                (number - 1) * recipe.epochs,
            )
            if self._plan.student_network is not None:
                task = task._replace(network=None)
                recipe = self._of_student(recipe)
        found = train_arm(
            arm,
            recipe,
            task,
            place._replace(shared=own, run_dir=own),
            after=after,
        )
        saved(found.classifier, own, CLASSIFIER)
        gc.collect()
        # Networks are on disk: of many rounds, one is in memory.
        return found._replace(classifier=None)

    def _recipe(self, job, kept):
        """As many updates per epoch as over all rows, however few are kept."""
        recipe, changes = job.recipe, {}
        if recipe.stream == "merged" and not recipe.steps_per_epoch:
            changes["steps_per_epoch"] = batches.count(
                job.split.unlabeled, recipe.unlabeled_batch
            )
        changes["unlabeled_batch"] = min(recipe.unlabeled_batch, kept)
        return dataclasses.replace(recipe, **changes)

    def _of_student(self, recipe):
        """Another network has no weights to begin with."""
        return dataclasses.replace(
            recipe,
            network=self._plan.student_network,
            weights="none",
            freeze="none",
            backbone_learning_rate=None,
        )

    def _finish(self, trained, job, place):
        """Reads the test set, once, and writes what came of the rounds."""
        run_dir, arms = place.run_dir, Arms()
        last = len(trained)
        of_arm = {1: training.SUPERVISED, last: training.PSEUDO_LABEL}
        for number, (found, figures) in enumerate(trained, 1):
            own = RunDirectory(run_dir / f"round-{number}")
            classifier = load_classifier(own / CLASSIFIER)
            if number in of_arm:
                arm = of_arm[number]
                arms.history += found.rows
                _copy(own, CLASSIFIER, run_dir, ARM_FILES[arm.name])
                best = f"best/{arm.name}.keras"
                _copy(own, best, run_dir, best)
                arms.measure(arm, classifier, found, job)
                error = arms.metrics[arm.name]["test_error_percent"]
            else:
                error = _test_error(classifier, job)
            figures["test_error_percent"] = error
        if (own / "warnings.json").exists():
            _copy(own, "warnings.json", run_dir, "warnings.json")
        self._record(run_dir, [figures for _, figures in trained])
        return arms


def _before(own, number):
    """The directory of the round before."""
    return own.path.with_name(f"round-{number - 1}")


def _given(own, before, people, job):
    """The labels by people with which a round was begun, or begins now."""
    names = job.data.class_names
    if (own / CORRECTIONS).exists():
        given = review.read(own / CORRECTIONS, names)
        if {**given, **people} != given:
            print(
                f"{own.path.name} has begun with other labels by people; those "
                "that are new come into the rounds after it."
            )
        return given
    given = {**before, **people}
    rows = [{"id": i, "label": names[label]} for i, label in given.items()]
    with own.replacing(CORRECTIONS) as partial:
        review.write(partial, rows, review.COLUMNS)
    return given


def _figures(number, split, labels):
    """What is said of a round, as plain values."""
    figures = {"round": number, "labeled": len(split.labeled), "kept": 0}
    figures |= {"flips": None, "accuracy_of_kept": None}
    if labels is None:
        return figures
    true = split.unlabeled.labels
    known = labels.kept & (true >= 0)
    right = labels.labels[known] == true[known]
    return {
        **figures,
        "kept": int(labels.kept.sum()),
        "flips": int(labels.flipped.sum()) if number > 2 else None,
        "accuracy_of_kept": float(right.mean()) if known.any() else None,
    }


def said(figures):
    """Says in a line what a round is given.

    Args:
        figures: An entry of `rounds.json`.
    """
    line = f"Round {figures['round']}: {figures['labeled']} labeled rows"
    if figures["round"] > 1:
        line += f", {figures['kept']} pseudo-labels kept"
    if figures["flips"] is not None:
        line += f", {figures['flips']} of all changed since the last round"
    if figures["accuracy_of_kept"] is not None:
        line += f", {figures['accuracy_of_kept']:.2%} of those kept are right"
    return f"{line}."


def _test_error(classifier, job):
    p = evaluation.probabilities(
        classifier, job.task.split.test, job.recipe.output
    )
    wrong = p.argmax(axis=-1) != job.split.test.labels
    return round(100 * float(wrong.mean()), 4)


def _copy(own, name, run_dir, to):
    with run_dir.replacing(to) as partial:
        shutil.copyfile(own / name, partial)
