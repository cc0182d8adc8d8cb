import numpy as np
import pytest
from matplotlib.image import imread

from tf_pseudolabel.lab.reproduction import drawing
from tf_pseudolabel.lab.runs import results


@pytest.fixture(scope="module")
def drawn(finished_run, tmp_path_factory):
    """What each function of the figures module was given, and the report."""
    figures = {}
    images = tmp_path_factory.mktemp("drawn") / "images"

    def watch(patch, module, name):
        real = getattr(module, name)

        def draw(*values):
            figures[name] = values
            return real(*values)

        patch.setattr(module, name, draw)

    with pytest.MonkeyPatch.context() as patch:
        watch(patch, drawing.paper_figures, "draw_margins")
        watch(patch, drawing.paper_figures, "draw_filters")
        watch(patch, drawing.figures, "draw_embeddings")
        watch(patch, drawing.figures, "draw_learning_curves")
        text = drawing.draw(
            "digits",
            {"lee2013_dropnn": finished_run, "lee2013_pl": finished_run},
            images,
        )
    return figures, text, images


def test_four_pictures(drawn):
    _, text, images = drawn

    paths = [
        images / f"digits_{kind}.png"
        for kind in ("margins", "tsne", "filters", "curves")
    ]
    assert text.split("\n") == [f"Figure: {path}" for path in paths]
    assert all(imread(path).std() > 0.01 for path in paths)


def test_what_is_drawn_is_what_was_trained(drawn, finished_run):
    figures, _, _ = drawn
    run = results.load(finished_run)
    kernel = results.load_classifier(
        finished_run / "classifier.keras"
    ).get_weights()[0]

    (margins,) = figures["draw_margins"]
    for title, part in (("Test", "test"), ("Unlabeled", "unlabeled")):
        np.testing.assert_array_equal(
            margins[title]["lee2013_pl"],
            run.probabilities["pseudo_label"][part],
        )
    kernels, side = figures["draw_filters"]
    np.testing.assert_array_equal(kernels["lee2013_pl"], kernel)
    assert side == 8
    panels, labels, _ = figures["draw_embeddings"]
    assert list(panels) == ["lee2013_dropnn", "lee2013_pl"]
    assert len(labels) == len(panels["lee2013_pl"]) == len(run.split.test)
    (history,) = figures["draw_learning_curves"]
    assert {row["arm"] for row in history} == {"supervised", "pseudo_label"}
