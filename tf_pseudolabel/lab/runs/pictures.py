"""What a run leaves to look at: figures, TensorBoard's projector, the page."""

from absl import logging

from tf_pseudolabel.lab import report
from tf_pseudolabel.lab.analysis import embedding, figures, projector


def write(results, run_dir):
    """Writes all pictures of a run whose arms are trained.

    Args:
        results: The run's `Results`.
        run_dir: Its `RunDirectory`.
    """
    folder = run_dir / "figures"
    folder.mkdir(exist_ok=True)
    figures.learning_curves(results.history, folder / "learning_curves.png")
    _test_rows(results, folder, run_dir / "tensorboard")
    _mistakes(results, folder)
    report.save([results], run_dir / "report.html")


def _test_rows(results, folder, tensorboard):
    """The same test rows in the plane and in the projector."""
    test = results.split.test
    rows = embedding.sample_rows(len(test), seed=results.recipe.seed)
    shown = test.take(rows)
    outputs = {
        arm: found["test"][rows] for arm, found in results.probabilities.items()
    }
    projector.write(
        tensorboard,
        outputs,
        shown.labels,
        results.class_names,
        shown.images,
        results.max_value,
    )
    if len(shown) < embedding.MIN_ROWS:
        return
    _, planes = results.plane
    panels = {arm.replace("_", "-"): planes[arm] for arm in outputs}
    figures.embeddings(
        panels, shown.labels, results.class_names, folder / "tsne.png"
    )


def _mistakes(results, folder):
    unlabeled = results.split.unlabeled
    if (unlabeled.labels < 0).any():
        logging.info("Unlabeled classes unknown: no sheet of mistakes.")
        return
    outputs = results.probabilities["pseudo_label"]["unlabeled"]
    figures.confident_mistakes(
        unlabeled.images,
        unlabeled.labels,
        outputs.argmax(axis=-1),
        outputs.max(axis=-1),
        results.class_names,
        folder / "confident_mistakes.png",
        max_value=results.max_value,
    )
