"""Links between the documents lead somewhere."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(\s*(?!\w+:)([^)\s#]*)(?:#([^)\s]*))?\)")


def anchors(text):
    """What GitHub calls the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_lead_to_a_file_and_a_heading_of_it(document):
    text = document.read_text(encoding="utf-8")
    for path, anchor in LINK.findall(text):
        target = document.parent / path if path else document
        assert target.exists(), f"{path} does not exist"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8"))


def test_every_result_is_in_the_index():
    index = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    pages = sorted((ROOT / "docs" / "results").glob("*.md"))
    assert sorted(LINK.findall(index)) == sorted(
        [("performance.md", ""), *((f"results/{p.name}", "") for p in pages)]
    )


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("# Lee's table: MNIST", "lees-table-mnist"),
        ("## What `fit` does", "what-fit-does"),
    ],
)
def test_anchors_are_made_as_github_makes_them(heading, anchor):
    assert anchors(f"text\n{heading}\nmore") == {anchor}
