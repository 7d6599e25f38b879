"""The words of ImageNet: the name of each class, and the kinds of thing that it is.

Names and kinds are in `imagenet.json`, which says where they come from; kinds are hypernyms that
people would say ("dog" for a Pomeranian, never "carnivore"), chosen by hand among WordNet's.
"""

import json
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")


@cache
def read_classes() -> tuple[tuple[str, ...], ...]:
    """Name and kinds of each class, nearest first, in the order of the classifier.

    Example:
        >>> read_classes()[259]
        ('Pomeranian', 'dog', 'animal')
    """
    return tuple(map(tuple, json.loads(FILE.read_text(encoding="utf-8"))["classes"]))
