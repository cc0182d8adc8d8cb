"""What a pseudo-label is made of, choice by choice.

`teachers` say whose scores are believed, `alignments` what is corrected in
their probabilities, `selections` which rows count and how much, `targets` what
the loss compares with. One part, one file; `forms` tells the forms of labels
apart.
"""
