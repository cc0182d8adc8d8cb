from tf_pseudolabel.lab.reproduction import published


def test_own_figures_of_the_paper():
    """Copied once more, from facts about the paper: targets stand on them."""
    table = published.LEE2013_TABLE2

    assert table["dropNN"] == dict(
        zip((100, 600, 1000, 3000), (21.89, 8.57, 6.59, 3.72), strict=True)
    )
    assert table["+PL"] == dict(
        zip((100, 600, 1000, 3000), (16.15, 5.03, 4.30, 2.80), strict=True)
    )
    assert table["+PL+DAE"] == dict(
        zip((100, 600, 1000, 3000), (10.49, 4.01, 3.46, 2.69), strict=True)
    )


def test_table_2_has_a_line_per_method_of_the_paper():
    assert list(published.LEE2013_TABLE2) == [
        *("NN", "SVM", "CNN", "TSVM", "DBN-rNCA", "EmbedNN", "CAE", "MTC"),
        *("dropNN", "+PL", "+PL+DAE"),
    ]
    for figures in published.LEE2013_TABLE2.values():
        errors = list(figures.values())
        # More labels, fewer errors; percent, not shares.
        assert errors == sorted(errors, reverse=True)
        assert all(1 < error < 30 for error in errors)


def test_what_the_paper_says_of_its_own_method():
    """Its best is 10.49 % with 100 labels, and pseudo-labels always help."""
    table = published.LEE2013_TABLE2

    assert table["+PL+DAE"][100] == min(
        figures.get(100, 100) for figures in table.values()
    )
    for labels in (100, 600, 1000, 3000):
        assert table["+PL"][labels] < table["dropNN"][labels]


def test_table_1_pseudo_labels_lower_the_entropy_of_what_has_no_labels():
    before, after = published.LEE2013_TABLE1.values()

    assert after[1] < before[1]
    assert after[2] < before[2]
    assert after[0] > before[0]
