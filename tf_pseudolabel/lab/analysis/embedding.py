"""Two-dimensional t-SNE pictures of a network's outputs (Lee 2013, figure 1).

t-SNE: van der Maaten & Hinton, "Visualizing Data using t-SNE", JMLR 2008.
"""

import numpy as np

MAX_ROWS = 2000
MIN_ROWS = 4  # perplexity, the number of neighbors, is then at least 1
MAX_PERPLEXITY = 30


def sample_rows(count, limit=MAX_ROWS, seed=0):
    """Chooses rows to embed, the same ones for every network compared.

    Args:
        count: Number of rows to choose from.
        limit: Largest number of rows to choose; t-SNE takes several
            seconds for the default. Defaults to `MAX_ROWS`.
        seed: Integer seed of the choice. Defaults to 0.

    Returns:
        Sorted, distinct int64 indices `(min(count, limit),)`.
    """
    generator = np.random.default_rng(seed)
    rows = generator.choice(count, size=min(count, limit), replace=False)
    return np.sort(rows)


def embed(outputs, seed):
    """Places rows in the plane so that similar outputs are neighbors.

    Distances between far clusters mean nothing; which rows mix does. The
    perplexity is 30, or a third of the other rows where that is less.

    Args:
        outputs: Float array `(n, classes)`, `n >= 4`, `classes >= 2`: the
            network's probabilities or logits, finite.
        seed: Integer seed of scikit-learn's t-SNE.

    Returns:
        A float32 array `(n, 2)`, the same for the same outputs and seed; zeros
        if all rows are the same, as those of a collapsed network are.

    Raises:
        ValueError: If there are too few rows or columns, or a value is not
            finite.
    """
    # Takes a second to import, and only an analysis needs it.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    outputs = np.asarray(outputs, dtype=np.float32)
    if outputs.ndim != 2 or len(outputs) < MIN_ROWS or outputs.shape[1] < 2:
        raise ValueError(
            f"t-SNE needs outputs of shape (n >= {MIN_ROWS}, classes >= 2); "
            f"got shape {outputs.shape}; pass one row per example"
        )
    # scikit-learn 1.9 scales its start by the outputs' spread: without one it
    # computes with NaN and dies of a segmentation fault.
    if np.allclose(outputs, outputs[0]):
        return np.zeros((len(outputs), 2), dtype=np.float32)
    tsne = TSNE(
        init="pca",
        perplexity=min(MAX_PERPLEXITY, (len(outputs) - 1) / 3),
        random_state=seed,
    )
    # Its threads spin while they wait for each other: beside other work, two
    # took ten times as long as one for 500 rows, and three times for 2,000.
    with threadpool_limits(1, "openmp"):
        return tsne.fit_transform(outputs).astype(np.float32)
