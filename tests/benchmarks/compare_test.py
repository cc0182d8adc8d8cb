import json

import pytest
import timing


@pytest.fixture
def results(tmp_path):
    """A function from medians of milliseconds and images/s to a file."""

    def write(name, milliseconds, images, *more):
        path = tmp_path / name
        figures = [
            timing.figure("a step", "ms", [milliseconds]),
            timing.figure("speed", "images/s", [images], better="higher"),
            *more,
        ]
        timing.report("step", figures, path)
        return path

    return write


@pytest.mark.parametrize(
    ("milliseconds", "images", "status", "worse"),
    [
        (10.4, 96.0, 0, 0),
        (5.0, 200.0, 0, 0),
        (10.6, 100.0, 1, 1),
        (10.0, 94.0, 1, 1),
        (20.0, 50.0, 1, 2),
    ],
)
def test_what_got_worse_by_more_than_the_margin_fails(
    run, results, milliseconds, images, status, worse
):
    before = results("before.json", 10.0, 100.0)
    after = results("after.json", milliseconds, images)

    done = run("compare.py", before, after)

    assert done.returncode == status
    assert done.stdout.count("WORSE") == worse


def test_the_margin_is_the_users(run, results):
    before, after = results("b", 10.0, 100.0), results("a", 13.0, 100.0)

    assert run("compare.py", before, after, "--margin=0.5").returncode == 0


def test_what_is_not_judged_is_shown_and_what_only_one_has_is_named(
    run, results
):
    before = results(
        "before.json",
        1.0,
        1.0,
        timing.figure("others", "s", [1.0], better=None),
        timing.figure("near 0", "s", [0.0], better=None),
        timing.figure("gone", "s", [1.0]),
    )
    after = results(
        "after.json",
        1.0,
        1.0,
        timing.figure("others", "s", [3.0], better=None),
        timing.figure("near 0", "s", [0.1], better=None),
        timing.figure("new", "s", [1.0]),
    )

    done = run("compare.py", before, after)

    assert done.returncode == 0
    assert "+200.0 %\n" in done.stdout
    assert f"gone: not in {after}" in done.stdout
    assert f"new: not in {before}" in done.stdout


def test_changes_have_the_sign_of_the_figure(run, results):
    before, after = results("b", 10.0, 100.0), results("a", 5.0, 200.0)

    done = run("compare.py", before, after)

    assert "-50.0 %  better" in done.stdout
    assert "+100.0 %  better" in done.stdout


def test_another_machine_is_said(run, results):
    before, after = results("b", 10.0, 100.0), results("a", 10.0, 100.0)
    assert "machine" not in run("compare.py", before, after).stdout
    result = json.loads(after.read_text())
    result["machine"]["cores"] += 1
    after.write_text(json.dumps(result))

    done = run("compare.py", before, after)

    assert "Not the same machine" in done.stdout


@pytest.mark.parametrize("content", [None, "no JSON", "[]", '{"figures": [1]}'])
def test_another_file_is_refused_in_a_sentence(run, results, tmp_path, content):
    before, after = results("before.json", 1.0, 1.0), tmp_path / "other"
    if content is not None:
        after.write_text(content)

    done = run("compare.py", before, after)

    assert done.returncode != 0
    assert f"{after} must be what a benchmark wrote" in done.stderr
    assert "Traceback" not in done.stderr
