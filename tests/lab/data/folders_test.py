import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_pseudolabel.lab.data import folders
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.errors import InputError

ENCODERS = {
    ".png": tf.io.encode_png,
    ".jpg": lambda image: tf.io.encode_jpeg(image, quality=100),
}


def write(path, value=0, size=(3, 2), channels=1):
    """Writes one image of `value`, a number or a pixel."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.broadcast_to(np.uint8(value), (*size, channels))
    tf.io.write_file(str(path), ENCODERS[path.suffix.lower()](image))


@pytest.fixture
def labeled(tmp_path):
    root = tmp_path / "mine"
    write(root / "dog" / "b.png", 20)
    write(root / "dog" / "a.png", 10)
    write(root / "cat" / "z.png", 30)
    return root


def test_classes_are_the_sorted_folder_names(labeled):
    data = folders.load(str(labeled))
    assert data.class_names == ("cat", "dog")
    assert data.train.ids.tolist() == [
        "labeled/cat/z.png",
        "labeled/dog/a.png",
        "labeled/dog/b.png",
    ]
    assert data.train.labels.tolist() == [0, 1, 1]
    assert data.train.labels.dtype == np.int32
    assert data.train.read().shape == (3, 3, 2, 1)
    assert data.train.read().dtype == np.uint8
    assert data.train.read()[:, 0, 0, 0].tolist() == [30, 10, 20]
    assert data.kind == Images(shape=(3, 2, 1))
    assert data.test is None
    assert data.unlabeled is None


def test_unlabeled_and_test_folders(labeled, tmp_path):
    write(tmp_path / "more" / "x.png", 1)
    write(tmp_path / "more" / "deep" / "er" / "y.PNG", 2)
    write(tmp_path / "held" / "cat" / "c.png", 3)
    write(tmp_path / "held" / "dog" / "d.png", 4)
    data = folders.load(labeled, tmp_path / "more", tmp_path / "held")
    assert data.unlabeled.ids.tolist() == [
        "unlabeled/deep/er/y.PNG",
        "unlabeled/x.png",
    ]
    assert data.unlabeled.labels.tolist() == [-1, -1]
    assert data.unlabeled.read()[:, 2, 1, 0].tolist() == [2, 1]
    assert data.test.ids.tolist() == ["test/cat/c.png", "test/dog/d.png"]
    assert data.test.labels.tolist() == [0, 1]


def test_one_coloured_file_makes_all_sets_three_channels(labeled, tmp_path):
    write(tmp_path / "more" / "rgb.png", (1, 2, 3), channels=3)
    write(tmp_path / "more" / "rgba.png", (4, 5, 6, 7), channels=4)
    data = folders.load(labeled, tmp_path / "more")
    assert data.unlabeled.read()[:, 0, 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert data.train.read()[:, 0, 0].tolist() == [
        [x] * 3 for x in (30, 10, 20)
    ]


def test_grey_with_alpha_stays_grey(labeled):
    write(labeled / "cat" / "alpha.png", (8, 200), channels=2)
    images = folders.load(labeled).train.read()
    assert images.shape == (4, 3, 2, 1)
    assert images[0, 0, 0].tolist() == [8]


def test_jpeg_bmp_and_gif_are_read(labeled):
    write(labeled / "cat" / "a.JPG", 90)
    pixel = bytes((7, 6, 5))  # blue, green, red
    header = b"BM" + (54 + 36).to_bytes(4, "little") + bytes(4)
    header += (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    header += (2).to_bytes(4, "little") + (3).to_bytes(4, "little")
    header += b"\1\0\x18\0" + bytes(24)
    rows = (pixel * 2 + bytes(2)) * 3
    (labeled / "cat" / "b.bmp").write_bytes(header + rows)
    (labeled / "cat" / "c.gif").write_bytes(
        b"GIF89a\2\0\3\0\x80\0\0\x09\x08\x07\xff\xff\xff"
        b"\x2c\0\0\0\0\2\0\3\0\0\2\3\x84\x8f\x05\0\x3b"
    )
    images = folders.load(labeled).train.read()
    assert images[:3, 0, 0].tolist() == [[90] * 3, [5, 6, 7], [9, 8, 7]]


def test_hidden_files_are_ignored_and_others_counted(labeled):
    write(labeled / ".checkpoints" / "a.png", size=(9, 9))
    write(labeled / "dog" / ".thumbnails" / "a.png", size=(9, 9))
    (labeled / "dog" / "notes.txt").write_text("not an image")
    (labeled / "dog" / ".hidden.png").write_text("not an image")
    data = folders.load(labeled)
    assert data.class_names == ("cat", "dog")
    assert len(data.train) == 3
    assert data.notes[0] == f"Left out of {labeled}: .txt (1)."


def test_image_size_resizes_and_rounds(labeled):
    image = np.array([[[0], [1], [4], [4]]], np.uint8)
    tf.io.write_file(str(labeled / "cat" / "z.png"), tf.io.encode_png(image))
    images = folders.load(labeled, image_size=(2, 4)).train.read()
    assert images.shape == (3, 2, 4, 1)
    assert images.dtype == np.uint8
    assert images[0, :, :, 0].tolist() == [[0, 1, 4, 4]] * 2
    assert (images[1] == 10).all()
    # Halved with antialiasing, 0 1 4 4 weighs (3 3 1)/7 and (1 3 3)/7.
    halved = folders.load(labeled, image_size=(1, 2)).train.read()
    assert halved[0, 0, :, 0].tolist() == [1, 4]


def test_sizes_that_differ_name_two_files_and_the_remedy(labeled):
    write(labeled / "dog" / "c.png", size=(5, 4))
    message = (
        r"\(3, 2\) in labeled/cat/z.png and \(5, 4\) in labeled/dog/c.png; "
        "give --image_size"
    )
    with pytest.raises(InputError, match=message):
        folders.load(labeled)


@pytest.mark.parametrize("name", ["labeled", "unlabeled", "test"])
def test_a_missing_folder_is_named(labeled, name):
    arguments = {"labeled_dir": labeled, f"{name}_dir": labeled / "nowhere"}
    with pytest.raises(InputError, match=f"{name}_dir must .*mine/nowhere"):
        folders.load(**arguments)


def test_a_folder_without_images_is_named(labeled, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"unlabeled_dir must .*/none with"):
        folders.load(labeled, tmp_path / "none")


def test_a_folder_without_classes_is_named(tmp_path):
    write(tmp_path / "flat" / "a.png")
    with pytest.raises(InputError, match=r"one sub-folder per class.*/flat"):
        folders.load(tmp_path / "flat")


def test_an_empty_class_is_named(labeled):
    (labeled / "emu").mkdir()
    with pytest.raises(InputError, match=r"at least one image; .*mine/emu"):
        folders.load(labeled)


def test_an_image_outside_of_the_classes_is_named(labeled):
    write(labeled / "stray.png")
    with pytest.raises(InputError, match=r"got labeled/stray\.png"):
        folders.load(labeled)


@pytest.mark.parametrize("name", ["test", "validation"])
def test_classes_that_are_never_trained_on_are_named(name, labeled, tmp_path):
    write(tmp_path / "held" / "cat" / "c.png")
    write(tmp_path / "held" / "emu" / "d.png")
    message = rf"{name}_dir that lacks \['dog'\] and adds \['emu'\]"
    with pytest.raises(InputError, match=message):
        folders.load(labeled, **{f"{name}_dir": tmp_path / "held"})


def test_the_test_folder_may_lack_classes(labeled, tmp_path):
    write(tmp_path / "held" / "cat" / "c.png")
    (tmp_path / "held" / "dog").mkdir()
    data = folders.load(labeled, test_dir=tmp_path / "held")
    assert data.test.labels.tolist() == [0]


def test_a_validation_folder(labeled, tmp_path):
    write(tmp_path / "held" / "dog" / "c.png", 3)
    write(tmp_path / "held" / "cat" / "d.png", 4)
    data = folders.load(labeled, validation_dir=tmp_path / "held")
    assert data.validation.ids.tolist() == [
        "validation/cat/d.png",
        "validation/dog/c.png",
    ]
    assert data.validation.labels.tolist() == [0, 1]
    assert len(data.train) == 3


def test_one_accent_written_in_two_ways_is_one_class(labeled, tmp_path):
    write(labeled / "caf\u00e9" / "a.png", 1)
    write(tmp_path / "held" / "cafe\u0301" / "a.png", 2)
    data = folders.load(labeled, test_dir=tmp_path / "held")
    assert data.class_names == ("caf\u00e9", "cat", "dog")
    assert data.test.labels.tolist() == [0]


def test_names_that_are_not_utf8(labeled):
    folder = labeled / os.fsdecode(b"emu\xff")
    write(labeled / "x.png", 50)
    folder.mkdir()
    (labeled / "x.png").rename(folder / os.fsdecode(b"\xe9.png"))
    data = folders.load(labeled)
    assert data.class_names == ("cat", "dog", r"emu\xff")
    assert data.train.ids.tolist()[-1] == r"labeled/emu\xff/\xe9.png"
    json.dumps(data.train.ids.tolist(), ensure_ascii=False).encode("utf-8")


def test_photos_are_turned_before_sizes_are_compared(labeled):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    image.save(labeled / "cat" / "a.png", exif=exif)
    images = folders.load(labeled).train.read()
    assert images[0, :, :, 0].tolist() == [[4, 1], [5, 2], [6, 3]]


@pytest.mark.parametrize(
    "content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"]
)
def test_files_that_cannot_be_decoded_are_all_named(content, labeled, tmp_path):
    (labeled / "dog" / "c.png").write_bytes(content)
    (labeled / "cat" / "d.jpg").write_bytes(content)
    write(tmp_path / "more" / "x.png", 1)
    (tmp_path / "more" / "e.webp").write_bytes(content)
    (tmp_path / "more" / "gone.png").symlink_to("nowhere")
    with pytest.raises(InputError, match="got 4 that cannot be read") as error:
        folders.load(labeled, tmp_path / "more")
    for name in ("mine/dog/c.png (", "mine/cat/d.jpg (", "more/e.webp ("):
        assert name in str(error.value)
    assert "more/gone.png (No such file" in str(error.value)
    assert "\n" not in str(error.value)


def test_of_many_unreadable_files_twenty_are_named(labeled):
    for i in range(33):
        (labeled / "dog" / f"bad{i}.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"got 33 .* and 13 more") as error:
        folders.load(labeled)
    assert str(error.value).count("/bad") == 20


def test_a_folder_inside_of_another_is_refused(labeled, tmp_path):
    with pytest.raises(InputError, match=r"labeled_dir and test_dir .*/mine"):
        folders.load(labeled, test_dir=labeled)
    # The parent folder holds the labeled images, too.
    with pytest.raises(InputError, match="labeled_dir and unlabeled_dir"):
        folders.load(labeled, unlabeled_dir=tmp_path)


@pytest.mark.parametrize("repeat", [shutil.copy, os.link, os.symlink])
def test_a_picture_is_measured_on_before_it_is_trained_on(
    repeat, labeled, tmp_path
):
    held, more = tmp_path / "held", tmp_path / "more"
    write(held / "dog" / "own.png", 1)
    write(more / "own.png", 2)
    repeat(labeled / "dog" / "a.png", held / "dog" / "copy.png")
    repeat(labeled / "dog" / "a.png", more / "copy a.png")
    repeat(labeled / "dog" / "b.png", more / "copy b.png")
    data = folders.load(labeled, more, held)
    assert data.test.ids.tolist() == ["test/dog/copy.png", "test/dog/own.png"]
    assert data.train.ids.tolist() == ["labeled/cat/z.png", "labeled/dog/b.png"]
    assert data.unlabeled.ids.tolist() == ["unlabeled/own.png"]
    assert data.notes[:3] == (
        "Left out of the labeled images, as copies of or links to test images: "
        "1 (labeled/dog/a.png is test/dog/copy.png).",
        "Left out of the unlabeled images, as copies of or links to test "
        "images: 1 (unlabeled/copy a.png is test/dog/copy.png).",
        "Left out of the unlabeled images, as copies of or links to labeled "
        "images: 1 (unlabeled/copy b.png is labeled/dog/b.png).",
    )


def test_copies_within_a_set_are_left_out_and_counted(labeled):
    for i in range(3):
        shutil.copy(labeled / "dog" / "a.png", labeled / "dog" / f"x{i}.png")
    data = folders.load(labeled)
    assert len(data.train) == 3
    assert data.notes[:-1] == (
        "Left out of the labeled images, as copies of or links to others: 3 "
        "(labeled/dog/x0.png is labeled/dog/a.png, ...).",
    )


def test_a_picture_of_two_classes_is_refused(labeled):
    shutil.copy(labeled / "dog" / "a.png", labeled / "cat" / "a.png")
    message = (
        r"one class; got the same labeled/cat/a\.png as labeled/dog/a\.png"
    )
    with pytest.raises(InputError, match=message):
        folders.load(labeled)


def test_a_set_that_only_repeats_others_is_refused(labeled, tmp_path):
    for path in labeled.rglob("*.png"):
        (tmp_path / "more").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "more")
    with pytest.raises(InputError, match=r"none but copies .* in unlabeled_d"):
        folders.load(labeled, tmp_path / "more")
    shutil.copytree(labeled / "dog", tmp_path / "held" / "dog")
    with pytest.raises(InputError, match=r'none but copies .* in class "dog"'):
        folders.load(labeled, test_dir=tmp_path / "held")


def test_a_class_whose_files_are_of_other_kinds_is_named(labeled):
    (labeled / "emu").mkdir()
    (labeled / "emu" / "a.heic").touch()
    with pytest.raises(InputError, match=r"at least one image; .*mine/emu"):
        folders.load(labeled)


def test_one_class_alone_is_refused(tmp_path):
    write(tmp_path / "mine" / "dog" / "a.png")
    with pytest.raises(InputError, match=r"two classes; got \['dog'\]"):
        folders.load(tmp_path / "mine")


def test_a_folder_below_the_class_names_the_group(tmp_path):
    for number, path in enumerate(
        ("l/cat/p1/a", "l/cat/p2/b", "l/dog/p1/x/c", "t/dog/p3/d", "u/p1/e")
    ):
        write(tmp_path / f"{path}.png", number)
    write(tmp_path / "u" / "f.png", 9)
    arguments = {
        "labeled_dir": str(tmp_path / "l"),
        "test_dir": str(tmp_path / "t"),
        "unlabeled_dir": str(tmp_path / "u"),
    }
    data = folders.load(**arguments, group_level=1)
    assert data.train.groups.tolist() == ["p1", "p2", "p1"]
    assert data.test.groups.tolist() == ["p3"]
    # Of unlabeled images, some may be of no known group.
    assert sorted(data.unlabeled.groups) == ["", "p1"]
    assert folders.load(**arguments).train.groups is None
    with pytest.raises(
        InputError, match=r"every test .* got test/dog/p3/d\.png \(1 such"
    ):
        folders.load(**arguments, group_level=2)
    write(tmp_path / "t" / "dog" / "p1" / "g.png", 10)
    with pytest.raises(InputError, match='"p1" in test and train'):
        folders.load(**arguments, group_level=1)


def test_the_same_pixels_in_another_format_are_the_same_picture(
    labeled, tmp_path
):
    (tmp_path / "held" / "dog").mkdir(parents=True)
    image = Image.open(labeled / "dog" / "a.png")
    image.save(tmp_path / "held" / "dog" / "other.bmp")
    data = folders.load(labeled, test_dir=tmp_path / "held")
    assert data.train.ids.tolist() == ["labeled/cat/z.png", "labeled/dog/b.png"]
    assert "(labeled/dog/a.png is test/dog/other.bmp)" in data.notes[0]


def test_pictures_that_nearly_look_the_same_are_warned_of(labeled, tmp_path):
    held = tmp_path / "held" / "dog"
    held.mkdir(parents=True)
    blocks = np.random.default_rng(0).permutation(72).reshape(8, 9) * 3
    image = Image.fromarray(np.kron(blocks, np.ones((8, 8))).astype(np.uint8))
    image.save(labeled / "dog" / "c.png")
    image.save(held / "again.jpg", quality=30)
    write(held / "flat.png", 77)
    data = folders.load(labeled, test_dir=held.parent, image_size=(9, 9))
    assert data.notes[0] == (
        "Warning: 1 of 2 test images nearly look like training images, such as "
        "test/dog/again.jpg like labeled/dog/c.png; if they show the same, "
        "remove them, or figures are too good."
    )
    assert len(data.train) == 4


@pytest.mark.parametrize("name", ["train", "Test", "unlabeled"])
def test_folders_of_sets_are_not_taken_for_classes(name, labeled, tmp_path):
    write(labeled / name / "cat" / "a.png", 1)
    flag = {"train": "labeled", "Test": "test", "unlabeled": "unlabeled"}[name]
    message = f"got {name}, which .* give --{flag}_dir={labeled}/{name}, or"
    with pytest.raises(InputError, match=message):
        folders.load(labeled)


def test_several_folders_of_sets_are_not_taken_for_classes(tmp_path):
    write(tmp_path / "mine" / "train" / "a.png", 1)
    write(tmp_path / "mine" / "val" / "b.png", 2)
    message = r"--labeled_dir=\S+/train --validation_dir=\S+/val, or rename"
    with pytest.raises(InputError, match=message):
        folders.load(tmp_path / "mine")


def test_trains_are_a_class(labeled):
    write(labeled / "train" / "a.png", 1)
    assert folders.load(labeled).class_names == ("cat", "dog", "train")


def test_bad_files_are_skipped_and_listed(labeled, tmp_path):
    (labeled / "dog" / "c.png").write_bytes(b"")
    (labeled / "dog" / "gone.png").symlink_to("nowhere")
    with pytest.raises(InputError, match="give --on_bad_file=skip"):
        folders.load(labeled)
    data = folders.load(labeled, on_bad_file="skip")
    assert len(data.train) == 3
    assert data.skipped == (
        f"{labeled}/dog/gone.png (No such file or directory)",
        f"{labeled}/dog/c.png (empty)",
    )
    assert data.notes[0] == (
        "Left out, as they cannot be read: 2 image files "
        f"({labeled}/dog/gone.png (No such file or directory), ...); all of "
        "them are in bad_files.txt."
    )


def test_a_class_of_bad_files_is_refused(labeled):
    (labeled / "cat" / "z.png").write_bytes(b"")
    message = r'files that cannot be read and copies .* in class "cat"'
    with pytest.raises(InputError, match=message):
        folders.load(labeled, on_bad_file="skip")


def test_cached_or_not_the_pixels_are_the_same(labeled, tmp_path):
    write(labeled / "cat" / "a.jpg", (9, 200, 30), (7, 5), channels=3)
    Image.new("P", (4, 4), 3).save(labeled / "dog" / "c.gif")
    for mode in ("stretch", "crop", "pad"):
        held, streamed = (
            folders.load(labeled, image_size=(4, 3), resize=mode, cache=cache)
            for cache in ("memory", "none")
        )
        assert held.train.ids.tolist() == streamed.train.ids.tolist()
        np.testing.assert_array_equal(held.train.read(), streamed.train.read())
        assert held.kind == streamed.kind == Images(shape=(4, 3, 3), mode=mode)


def test_a_start_says_where_images_are_kept(labeled):
    for cache, words in (("none", "whenever"), ("auto", "in memory (0 MB)")):
        assert words in folders.load(labeled, cache=cache).notes[-1]
