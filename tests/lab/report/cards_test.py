import numpy as np

from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.data.kinds import Images, Kind
from tf_pseudolabel.lab.report.cards import Card, cards


class _Words(Kind):
    def texts(self, inputs):
        return [word.decode() for word in inputs]


def _examples(inputs):
    count = len(inputs)
    return Examples(inputs, np.zeros(count, int), np.arange(count).astype(str))


def test_images_are_shown_as_pictures():
    shown = cards(Images(), _examples(np.zeros((2, 4, 4, 3), np.uint8)))
    assert [card.text for card in shown] == ["", ""]
    assert all(card.image.startswith("data:image/webp") for card in shown)


def test_other_rows_are_shown_as_one_short_line():
    long = "word " * 100
    shown = cards(_Words(), _examples(np.array(["two\n lines", long])))
    assert shown[0] == Card("", "two lines")
    assert len(shown[1].text) == 200
    assert shown[1].text.endswith("…")


def test_rows_that_cannot_be_written_have_nothing():
    assert cards(Kind(), _examples(np.zeros((1, 2)))) == [Card("", "")]
