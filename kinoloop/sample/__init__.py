"""The sample dataset: real clips, a catalogue and simulated users whose taste is known.

Made by code from a seed (`kinoloop sample OUT`). Catalogue, events and truth are the same on every
machine; the bytes of the encoded clips depend on the build of the codecs. Because the truth is
known, `Truth` says how close a slate comes to the best possible one.
"""

from kinoloop.sample.truth import Truth
from kinoloop.sample.world import SampleConfig, World, build_world
from kinoloop.sample.write import write_sample

__all__ = ["SampleConfig", "Truth", "World", "build_world", "write_sample"]
