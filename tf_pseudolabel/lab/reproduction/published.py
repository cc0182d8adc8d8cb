"""Figures of the paper, and how they stand beside ours (Lee 2013)."""

from tf_pseudolabel.lab.reproduction import tables

# Test error in percent by number of labels: table 2.
LEE2013_TABLE2 = {
    "NN": {100: 25.81, 600: 11.44, 1000: 10.7, 3000: 6.04},
    "SVM": {100: 23.44, 600: 8.85, 1000: 7.77, 3000: 4.21},
    "CNN": {100: 22.98, 600: 7.68, 1000: 6.45, 3000: 3.35},
    "TSVM": {100: 16.81, 600: 6.16, 1000: 5.38, 3000: 3.45},
    "DBN-rNCA": {600: 8.7, 3000: 3.3},
    "EmbedNN": {100: 16.86, 600: 5.97, 1000: 5.73, 3000: 3.59},
    "CAE": {100: 13.47, 600: 6.3, 1000: 4.77, 3000: 3.22},
    "MTC": {100: 12.03, 600: 5.13, 1000: 3.64, 3000: 2.57},
    "dropNN": {100: 21.89, 600: 8.57, 1000: 6.59, 3000: 3.72},
    "+PL": {100: 16.15, 600: 5.03, 1000: 4.30, 3000: 2.80},
    "+PL+DAE": {100: 10.49, 600: 4.01, 1000: 3.46, 3000: 2.69},
}

# Conditional entropy on train, unlabeled and test rows, 600 labels: table 1.
LEE2013_TABLE1 = {
    "dropNN": (2.63e-9, 0.0349, 0.0317),
    "+PL": (6.10e-9, 0.0067, 0.0114),
}

# What our recipes are called there.
_NAMES = {
    "lee2013_dropnn": "dropNN",
    "lee2013_pl": "+PL",
    "lee2013_pl_dae": "+PL+DAE",
}


def beside_lee2013(found, rows):
    """Lays out Lee's tables 2 and 1, and what his text compares.

    Args:
        found: What `tables.cells` returned.
        rows: What it was made of.

    Returns:
        Markdown.
    """
    parts = [
        tables.errors_by_labels(found, LEE2013_TABLE2.items()),
        "Points of error above Lee's own figures:",
        tables.errors_above(
            found,
            {
                method: (name, LEE2013_TABLE2[name])
                for method, name in _NAMES.items()
            },
        ),
        "Points of error above `lee2013_pl` on the same splits:",
        tables.differences(rows, "lee2013_pl", "test_error_percent"),
    ]
    of_600 = [cell for cell in found if cell["labels"] == "600"]
    if of_600:
        parts += [
            "Conditional entropy, 600 labels:",
            tables.entropies(of_600, LEE2013_TABLE1.items()),
        ]
    return "\n\n".join(parts)
