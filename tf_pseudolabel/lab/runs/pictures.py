"""What a run leaves to look at: figures, TensorBoard's projector, the page.

Nothing here may cost a run: its results are written before, and what cannot be
drawn is said.
"""

import sys
import warnings

from absl import logging

from tf_pseudolabel.lab import report
from tf_pseudolabel.lab.analysis import embedding, figures, projector


def write(results, run_dir):
    """Writes all pictures of a run whose arms are trained.

    Args:
        results: The run's `Results`.
        run_dir: Its `RunDirectory`.
    """
    for name, draw in _PICTURES.items():
        attempt(run_dir / name, draw, results)


def attempt(path, draw, *arguments):
    """Draws, or says in one line why that could not be done.

    Args:
        path: What is drawn.
        draw: A callable of `arguments` and of `path`.
        *arguments: For `draw`.
    """
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.filterwarnings("always", message="Glyph .* missing")
            draw(*arguments, path)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        _say(f"{path} is left out: {type(error).__name__}: {reason}")
        logging.info("Where that came from:", exc_info=True)
        return
    lacking = [w for w in found if "missing from" in str(w.message)]
    for other in found:
        if other not in lacking:
            warnings.warn_explicit(
                other.message, other.category, other.filename, other.lineno
            )
    if lacking:
        _say(f"{path} shows boxes for characters that no font here has.")


def _say(text):
    print(f"Picture: {text}", file=sys.stderr)


def _learning_curves(results, path):
    figures.learning_curves(results.history, _in_folder(path))


def _shown(results):
    """The same test rows in the plane and in the projector."""
    test = results.split.test
    rows = embedding.sample_rows(len(test), seed=results.recipe.seed)
    return rows, test.take(rows)


def _projector(results, path):
    rows, shown = _shown(results)
    outputs = {
        arm: found["test"][rows] for arm, found in results.probabilities.items()
    }
    projector.write(
        path,
        outputs,
        shown.labels,
        results.class_names,
        results.kind.pictures(shown.read()),
    )


def _plane(results, path):
    _, shown = _shown(results)
    if len(shown) < embedding.MIN_ROWS:
        logging.info("Too few test rows for t-SNE.")
        return
    _, planes = results.plane
    panels = {arm.replace("_", "-"): planes[arm] for arm in planes}
    figures.embeddings(
        panels, shown.labels, results.class_names, _in_folder(path)
    )


class _Pictures:
    """Pictures of examples, of which only those asked for are read."""

    def __init__(self, kind, examples):
        self._kind = kind
        self._examples = examples

    def __getitem__(self, rows):
        return self._kind.pictures(self._examples.take(rows).read())


def _mistakes(results, path):
    unlabeled = results.split.unlabeled
    if (unlabeled.labels < 0).any():
        logging.info("Unlabeled classes unknown: no sheet of mistakes.")
        return
    if results.kind.pictures(unlabeled.take(slice(1)).read()) is None:
        return
    outputs = results.probabilities["pseudo_label"]["unlabeled"]
    figures.confident_mistakes(
        _Pictures(results.kind, unlabeled),
        unlabeled.labels,
        outputs.argmax(axis=-1),
        outputs.max(axis=-1),
        results.class_names,
        _in_folder(path),
        max_value=1.0,
    )


def _page(results, path):
    report.save([results], path)


def _table_for_people(results, path):
    report.people.write(results, path)


def _in_folder(path):
    path.parent.mkdir(exist_ok=True)
    return path


# The page is last: a run that has it has them all.
_PICTURES = {
    "figures/learning_curves.png": _learning_curves,
    "tensorboard": _projector,
    "figures/tsne.png": _plane,
    "figures/confident_mistakes.png": _mistakes,
    "review.csv": _table_for_people,
    "report.html": _page,
}
