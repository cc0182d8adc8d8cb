"""Image files for benchmarks, in the folders of two classes."""

CLASSES = ("one", "two")


def write_png(folder, count):
    """Writes digits on 28 x 28 pixels, no two of them the same."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits().images.astype(np.uint8) * 16
    rng = np.random.default_rng(0)
    for number in range(count):
        digit = Image.fromarray(digits[number % len(digits)])
        pixels = np.pad(np.asarray(digit.resize((20, 20))), 4)
        # Where they differ, in dark corners.
        pixels[:2, :2] = rng.integers(0, 8, (2, 2))
        pixels[-1, -4:] = list(number.to_bytes(4, "big"))
        Image.fromarray(pixels).save(_file(folder, number, "png"))


def write_jpeg(folder, count):
    """Writes cuttings of photographs, 224 x 224 pixels."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_sample_images

    photos = load_sample_images().images
    rng = np.random.default_rng(0)
    for number in range(count):
        photo = photos[number % len(photos)]
        top, left = (rng.integers(side - 224) for side in photo.shape[:2])
        cutting = photo[top : top + 224, left : left + 224]
        Image.fromarray(cutting).save(_file(folder, number, "jpg"), quality=90)


def _file(folder, number, suffix):
    path = folder / CLASSES[number % 2] / f"{number:07}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
