"""The figures of Lee's paper, from trained networks."""

from tf_pseudolabel.lab.analysis import figures, paper_figures
from tf_pseudolabel.lab.runs import results
from tf_pseudolabel.lab.runs.results import ARM_FILES, load_classifier

_SUPERVISED, _PSEUDO_LABEL = "lee2013_dropnn", "lee2013_pl"


def draw(name, directories, images):
    """Draws margins, outputs in the plane, filters and learning curves.

    Args:
        name: What the files' names begin with.
        directories: Dict from recipes' names to directories of finished runs
            on one split; `lee2013_dropnn` and `lee2013_pl` among them.
        images: Directory of the PNG files.

    Returns:
        A string: a line for every file.
    """
    images.mkdir(parents=True, exist_ok=True)
    found = {recipe: results.load(path) for recipe, path in directories.items()}
    pair = {recipe: found[recipe] for recipe in (_SUPERVISED, _PSEUDO_LABEL)}
    files = {
        "margins": _margins(pair),
        "tsne": _plane(pair),
        "filters": _filters(directories),
        "curves": figures.draw_learning_curves(_history(pair)),
    }
    written = []
    for kind, figure in files.items():
        path = images / f"{name}_{kind}.png"
        figures.save(figure, path)
        written.append(f"Figure: {path}")
    return "\n".join(written)


def _margins(pair):
    """Figure after section 3.1: both networks on the rows without labels."""
    return paper_figures.draw_margins(
        {
            title: {
                recipe: run.probabilities["pseudo_label"][part]
                for recipe, run in pair.items()
            }
            for title, part in (("Test", "test"), ("Unlabeled", "unlabeled"))
        }
    )


def _plane(pair):
    """Figure 1: the same test rows, before and after."""
    first = next(iter(pair.values()))
    rows, _ = first.plane
    panels = {
        recipe: run.plane[1]["pseudo_label"] for recipe, run in pair.items()
    }
    return figures.draw_embeddings(
        panels, first.split.test.labels[rows], first.class_names
    )


def _filters(directories):
    """Figure 2: weights of the first dense layer."""
    kernels = {}
    for recipe, path in directories.items():
        classifier = load_classifier(path / ARM_FILES["pseudo_label"])
        kernels[recipe] = classifier.trainable_weights[0].numpy()
    side = classifier.input_shape[1]
    return paper_figures.draw_filters(kernels, side)


def _history(pair):
    """The rows of both runs, as if they were the arms of one."""
    arms = {_SUPERVISED: "supervised", _PSEUDO_LABEL: "pseudo_label"}
    return [
        {**row, "arm": arms[recipe]}
        for recipe, run in pair.items()
        for row in run.history
    ]
