"""One sentence about a picture, written by an image-text-to-text model: off unless one is named.

It sees one frame of the video (its thumbnail), so it tells what is in the picture and not what
happens. What such a model says can be wrong; `summary_by` names it, so that a page can say so.
"""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from kinoloop.encoders.fingerprint import digest_files, fingerprint
from kinoloop.encoders.pretrained import load, locate
from kinoloop.semantics.config import GenerativeConfig


class PictureDescriber:
    """Describes pictures with a checkpoint of `AutoModelForImageTextToText`.

    Args:
        config: Which one, and what it is asked.
    """

    def __init__(self, config: GenerativeConfig) -> None:
        import transformers

        self.config = config
        directory = locate(config.model, config.revision)
        self._pretrained = load(directory, loader="AutoModelForImageTextToText")
        loader: Any = transformers.AutoProcessor
        self._processor: Any = loader.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )

    def describe(self, pictures: Sequence[bytes]) -> list[str]:
        """One sentence for each JPEG; "" where the model says nothing."""
        return [
            self._describe(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in pictures
        ]

    def _describe(self, picture: Image.Image) -> str:
        import torch

        inputs = self._inputs(picture)
        device, dtype = self._pretrained.device, self._pretrained.dtype
        tensors = {
            name: value.to(device, dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }
        with torch.inference_mode():
            made = self._pretrained.model.generate(
                **tensors, max_new_tokens=self.config.max_tokens, do_sample=False
            )
        given = tensors["input_ids"].shape[1] if "input_ids" in tensors else 0
        said: str = self._processor.batch_decode(made[:, given:], skip_special_tokens=True)[0]
        return " ".join(said.split())

    def _inputs(self, picture: Image.Image) -> Any:  # noqa: ANN401 (a BatchFeature)
        """Prepare a picture, with the prompt for a chat model, alone for a captioning model."""
        if getattr(self._processor, "chat_template", None):
            asked = [
                {"type": "image", "image": picture},
                {"type": "text", "text": self.config.prompt},
            ]
            return self._processor.apply_chat_template(
                [{"role": "user", "content": asked}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        return self._processor(images=picture, return_tensors="pt")


def identify(config: GenerativeConfig) -> str:
    """Digest of what decides what a model says; "" where none is named. Loads nothing."""
    if not config.model:
        return ""
    weights = digest_files(locate(config.model, config.revision).glob("*.safetensors"))
    return fingerprint(
        {"weights": weights, "prompt": config.prompt, "max_tokens": config.max_tokens}
    )
