"""Where the vectors of a catalogue come from."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class VectorSpace:
    """One modality of the catalogue.

    Attributes:
        settings: Of its encoder, such as `{"kind": "minilm"}`.
        fingerprint: Of its vectors in the table `features`.
    """

    settings: dict[str, Any]
    fingerprint: str
