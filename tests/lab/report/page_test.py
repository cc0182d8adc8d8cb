import dataclasses
import html.parser
import re
import sys

import numpy as np
import pytest

from tf_pseudolabel.lab.analysis import embedding
from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.report import page, render, write

HOSTILE = "</script><script>alert(1)</script>&'\"<b>"
# Elements without an end.
_VOID = {"meta", "img", "circle", "line", "br"}


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Any places do; t-SNE's own are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "embed", lambda outputs, seed: outputs[:, :2])
        yield


@pytest.fixture(scope="module")
def one(make_results, quick):
    return render([make_results()])


@pytest.fixture(scope="module")
def two(make_results, quick):
    """An older run beside a new one."""
    return render([make_results("runs/a"), make_results("runs/b", new=False)])


class _Outline(html.parser.HTMLParser):
    """What a page has: elements in order, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert tag == self._open.pop()

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def _without_library(text):
    library = r"<script>\s*/\* BEGIN bokeh.*?</script>"
    return re.sub(library, "", text, flags=re.DOTALL)


def test_a_page_of_one_run(one):
    outline = _Outline(one)
    assert one.startswith("<!DOCTYPE html>")
    assert outline.all("html") == [{"lang": "en"}]
    assert len(outline.all("h1")) == 1
    assert "<title>Pseudo-Label run synthetic</title>" in one
    # Curves, five of pseudo-labels, and two each of the others.
    assert len(outline.all("figure")) == 1 + 5 + 2 * 4
    assert len(outline.all("details")) == 1 + len(outline.all("figure"))
    assert all(image["alt"] for image in outline.all("img"))


def test_headings_skip_no_level(one, two):
    for text in (one, two):
        tags = [tag for tag, _ in _Outline(text).elements]
        levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert np.diff(levels).max() == 1


def test_ids_are_unique_and_labels_lead_to_them(two):
    elements = _Outline(two).elements
    ids = [attrs["id"] for _, attrs in elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    for _, attrs in elements:
        if "aria-labelledby" in attrs:
            assert attrs["aria-labelledby"] in ids
        if attrs.get("href", "").startswith("#"):
            assert attrs["href"][1:] in ids


def test_charts_are_described(one):
    charts = [
        attrs
        for _, attrs in _Outline(one).elements
        if attrs.get("class") == "chart"
    ]
    assert len(charts) == 14
    assert all(len(chart["aria-label"]) > 40 for chart in charts)
    assert {chart["role"] for chart in charts} == {"img", "group"}


def test_hints_are_for_all(one):
    assert one.count('<p class="hint">') == 4


def test_nothing_is_loaded_from_elsewhere(one):
    for _, attrs in _Outline(_without_library(one)).elements:
        for name in ("src", "href"):
            assert attrs.get(name, "#").startswith(("#", "data:"))


def test_what_users_wrote_is_escaped(make_results):
    hostile = dataclasses.replace(
        make_results(
            path=f"runs/{HOSTILE.replace('/', '')}",
            classes=2,
            class_names=[HOSTILE, f"{HOSTILE}2"],
            warnings=[{"epoch": 1, "alarm": HOSTILE, "text": HOSTILE}],
        ),
        record={"started": HOSTILE, "versions": {HOSTILE: HOSTILE}},
    )
    text = _without_library(render([hostile, make_results()]))
    assert "<script>alert" not in text
    assert "<b>" not in text
    # What fingers need, the library's log level, and the charts.
    assert len(_Outline(text).all("script")) == 3


def test_warnings_come_before_the_figures(one, make_results):
    alarm = {"epoch": 7, "alarm": "collapse", "text": "One class got all."}
    text = render([make_results(warnings=[alarm])])
    assert "1 warning of\nthis run" in text
    assert 0 < text.index("One class got all.") < text.index("<table>")
    assert 'class="warnings"' not in one


def test_several_runs_begin_with_a_summary(two):
    assert "Pseudo-Label: 2 runs compared" in two
    summary = two.index("Figures of all runs")
    assert summary < two.index('id="run-1"') < two.index('id="run-2"')
    assert two.count('id="all-curves"') == 1


def test_runs_of_one_name_are_told_apart_by_their_paths(make_results):
    assert list(
        page._titled([make_results("a/run"), make_results("b/run")])
    ) == [
        "a/run",
        "b/run",
    ]


def test_a_run_given_twice_is_refused(make_results):
    with pytest.raises(InputError, match=r"once; got runs/a, runs/a"):
        render([make_results("runs/a")] * 2)


@pytest.mark.parametrize(
    "variant",
    [
        {"new": False},
        {"unlabeled_known": False},
        {"arms": ("pseudo_label",)},
        {"classes": 100, "tested": 300},
        {"classes": 2, "tested": 3},
        {"epochs": 1},
        {"shape": (40, 30, 3)},
    ],
    ids=str,
)
def test_other_runs(variant, make_results):
    _Outline(render([make_results(**variant)]))


def _large(results, count):
    """The same run with test images of noise, which pack worst."""
    images = np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1))
    test = Examples(
        images.astype(np.uint8),
        np.arange(count) % 10,
        np.array([f"test/{row}" for row in range(count)]),
    )
    outputs = np.eye(10, dtype=np.float32)[test.labels]
    return dataclasses.replace(
        results,
        split=dataclasses.replace(results.split, test=test),
        probabilities={
            arm: {**parts, "test": outputs}
            for arm, parts in results.probabilities.items()
        },
    )


def _points(text):
    shown = re.search(r"([\d,]+) of 2,100 test rows, placed", text)[1]
    return int(shown.replace(",", ""))


def test_2000_thumbnails_of_mnist_fit_below_5_megabytes(make_results):
    text = render([_large(make_results(epochs=100), 2100)])
    assert len(text.encode()) < 5_000_000
    assert _points(text) == 2000


@pytest.mark.slow
def test_points_of_several_runs_are_thinned_to_fit(make_results):
    small = make_results("runs/small")
    runs = [_large(make_results(f"runs/{i}"), 2100) for i in range(2)]
    text = render([small, *runs])
    assert 4_000_000 < len(text.encode()) < 5_000_000
    shown = _points(text)
    assert 100 < shown < 2000
    # The same share of all, rounded down.
    assert f"{int(60 * (shown + 1) / 2000)} of 60 test rows, placed" in text


def test_write_makes_the_file_and_leaves_no_other(
    make_results, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        page.results, "load", lambda path, trust: make_results(path)
    )
    output = tmp_path / "pages" / "report.html"
    write(["runs/a"], output)
    assert output.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]


def test_write_replaces_no_directory(tmp_path):
    with pytest.raises(InputError, match=r"got the directory .*report\.html"):
        write(["runs/a"], tmp_path)
    assert tmp_path.is_dir()


def test_the_core_needs_no_bokeh():
    # In a process of its own: this one has imported it.
    import subprocess

    code = (
        "import sys; sys.modules['bokeh'] = sys.modules['jinja2'] = None;"
        "import tf_pseudolabel; tf_pseudolabel.PseudoLabelModel"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
