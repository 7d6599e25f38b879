"""Words in the picture: titles, signs and burnt-in captions, read by RapidOCR from a package.

A few pages of a video are read (`kinoloop.media.pages`), one of each of its longest shots; what is
read goes to the text of the video and, with its times, to the column `screen` of the table `media`.
A page of 360 rows without words takes 0.08 s of one core, each line of words 0.04 s more: on
average 0.2 to 0.3 s per video. A page that looks like the one before it, or that was read a moment
ago, is not read again.

Source: Du et al., "PP-OCR: a practical ultra lightweight OCR system", 2020; PP-OCRv6 models.
"""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders.embedded import Packaged
from kinoloop.encoders.fingerprint import fingerprint, library_versions
from kinoloop.errors import MissingPackageError
from kinoloop.extraction.config import ReadingConfig
from kinoloop.extraction.products import ENCODER_FAULTS
from kinoloop.extraction.rows import Decoded
from kinoloop.media.decoded import DecodedMedia, ScreenText
from kinoloop.media.shots import cells, shots_between
from kinoloop.media.subtitles import MAX_CHARACTERS, join_lines

logger = logging.getLogger(__name__)

CODE_VERSION = 1
REQUIREMENT = "rapidocr==3.10.0"
ENGINES = ("rapidocr", "onnxruntime", "cv2")
DETECTION = Packaged(
    package="rapidocr",
    requirement=REQUIREMENT,
    path="models/PP-OCRv6_det_small.onnx",
    sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
)
RECOGNITION = Packaged(
    package="rapidocr",
    requirement=REQUIREMENT,
    path="models/PP-OCRv6_rec_small.onnx",
    sha256="6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
)
DETECTION_SIDE = 64
"""Pages are looked at as they are: they are not enlarged unless they are smaller than this."""

MAX_LINES = 24
"""Lines of a page that are read: a screen full of code would take seconds."""

THREADS = 1
SAME = 3.0
"""Mean difference of grey values, of 255, up to which two pages look the same."""

REMEMBERED = 256
"""Pages whose words are kept, by their bytes."""


class Read(NamedTuple):
    """What a page says.

    Attributes:
        text: Its lines, top to bottom, joined by blanks; "" without.
        score: How sure the least sure line is.
    """

    text: str
    score: float


class Reader:
    """Reads the pages of decoded videos.

    Args:
        config: How sure it must be; the models are loaded when first needed.
    """

    def __init__(self, config: ReadingConfig) -> None:
        self.config = config
        self._known: OrderedDict[bytes, Read] = OrderedDict()

    def add_words(self, decoded: Iterable[Decoded]) -> Iterator[Decoded]:
        """Pass decoded videos on, in order, with the words that their pictures show."""
        for video in decoded:
            yield replace(video, found=self._with_screen(video.found))

    def read(self, page: NDArray[np.uint8]) -> Read:
        """Read one page.

        Args:
            page: (height, width) uint8 grey values.
        """
        key = hashlib.sha256(repr(page.shape).encode() + page.tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._read(page)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def _with_screen(self, found: DecodedMedia) -> DecodedMedia:
        if not len(found.pages):
            return found
        try:
            screen = self._screen(found)
        except ENCODER_FAULTS as err:
            logger.warning("reading the pictures of a video failed (%s)", err)
            return found
        words = join_lines([found.words, *(one.text for one in screen)])
        return replace(found, screen=screen, words=words[:MAX_CHARACTERS])

    def _screen(self, found: DecodedMedia) -> tuple[ScreenText, ...]:
        times, shots = found.page_times_s, found.shots_s
        parts = cells(times, shots if len(shots) else shots_between([], float(times[-1])))
        texts: list[ScreenText] = []
        before: NDArray[np.uint8] | None = None
        read = Read("", 0.0)
        for page, (start_s, end_s) in zip(found.pages, parts.tolist(), strict=True):
            if before is None or _differ(page, before):
                read = self.read(page)
            before = page
            if texts and texts[-1].text == read.text and texts[-1].end_s >= start_s:
                texts[-1] = replace(texts[-1], end_s=end_s)
            elif read.text:
                texts.append(ScreenText(start_s, end_s, read.text, read.score))
        return tuple(texts)

    def _read(self, page: NDArray[np.uint8]) -> Read:
        found = self._engine(np.stack([page] * 3, axis=2))
        lines = zip(found.txts or (), found.scores or (), strict=True)
        sure = [(text.strip(), s) for text, s in lines if s >= self.config.min_score]
        words = [(text, score) for text, score in sure if _says_something(text)]
        if not words:
            return Read("", 0.0)
        return Read(" ".join(text for text, _ in words), min(score for _, score in words))

    @cached_property
    def _engine(self) -> Any:  # noqa: ANN401 (rapidocr is imported late)
        from rapidocr import RapidOCR

        return RapidOCR(
            params={
                "Global.use_cls": False,  # no text upside down
                "Global.log_level": "critical",
                "Global.text_score": 0.0,  # ours counts
                "Det.model_path": str(DETECTION.locate()),
                "Det.limit_side_len": DETECTION_SIDE,
                "Det.max_candidates": MAX_LINES,
                "Rec.model_path": str(RECOGNITION.locate()),
                "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
                "EngineConfig.onnxruntime.inter_op_num_threads": THREADS,
            }
        )


def reader(config: ReadingConfig) -> Reader | None:
    """Who reads, or nobody: it is switched off, or its package is missing."""
    return Reader(config) if identify(config) else None


def identify(config: ReadingConfig) -> str:
    """Fingerprint of what is read; "" where nobody reads.

    Raises:
        ConfigError: A file of the package is another.
    """
    if not config.enabled:
        return ""
    try:
        check_packages()
    except MissingPackageError as err:
        logger.warning("nobody reads the words in pictures: %s", err)
        return ""
    return fingerprint(
        {
            "family": "rapidocr",
            "code": CODE_VERSION,
            "files": [DETECTION.sha256, RECOGNITION.sha256],
            "min_score": config.min_score,
            "libraries": library_versions("rapidocr", "onnxruntime"),
        }
    )


def check_packages() -> None:
    """Check that everything is here that reading needs.

    Raises:
        MissingPackageError: A package is not installed.
        ConfigError: A file of one is another.
    """
    for package in ENGINES:
        if find_spec(package) is None:
            raise MissingPackageError(
                f"package {package!r} is not installed; `pip install 'kinoloop[reading]'`"
            )
    DETECTION.locate()
    RECOGNITION.locate()


def _differ(page: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return float(np.abs(page.astype(np.int16) - other).mean()) > SAME


def _says_something(text: str) -> bool:
    """Whether a line is more than a sign or a letter that something happens to look like."""
    return sum(character.isalnum() for character in text) >= 2
