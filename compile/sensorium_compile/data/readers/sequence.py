"""Who is on which photo, from the camera's numbers: persons photographed one after another, label after label."""

import re
from collections.abc import Sequence

FAR = 10  # numbers between two photos of one person: as many as a person has photos, or more, is another session
SHARE = 0.5  # of the labels: a label that falls by more than that is the beginning of the next person

_NUMBER = re.compile(r"(\d+)\D*$")


def sequence_groups(names: Sequence[str], labels: Sequence[int], classes: int) -> tuple[str, ...]:
    """A group for each file, in the order given: ``run0000``, ``run0001``, …

    Files are sorted by the last number in their name. A person is photographed with label 0, 1, 2, …; the next
    person begins where the label falls by more than half of the classes (9 -> 0, also 8 -> 1 where photos
    are missing), or where the numbers jump. A small fall (2 -> 1: two photos exchanged, or one taken twice) does not
    cut: rather are two persons merged than one is cut in two. Files without a number are one group.
    """
    numbered = sorted((int(m.group(1)), row) for row, name in enumerate(names) if (m := _NUMBER.search(_stem(name))))
    groups = ["unnumbered"] * len(names)
    run, before = -1, (0, 0)  # the number and label of the photo before
    for number, row in numbered:
        label = labels[row]
        if run < 0 or number - before[0] > FAR or before[1] - label > SHARE * classes:
            run += 1
        groups[row] = f"run{run:04d}"
        before = (number, label)
    return tuple(groups)


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]
