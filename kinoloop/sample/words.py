"""A small grammar: titles, descriptions, captions, comments and queries of the sample.

Combinations of a topic's things, actions and places with a style's patterns give some thousands of
distinct titles; `title` keeps drawing until it finds one that was not used.
"""

from collections.abc import Sequence

import numpy as np

from kinoloop.sample.topics import Topic

PATTERNS: dict[str, tuple[str, ...]] = {
    "tutorial": (
        "How to {action} in {n} easy steps",
        "{Action}: the mistake everybody makes",
        "{Thing} explained from {place}",
        "A beginner's guide: {action}",
        "{n} ways to {action}",
    ),
    "calm": (
        "{Thing} at {place}, no talking",
        "A quiet hour with {thing}",
        "Slow evening: {thing} and nothing else",
        "{Thing} to fall asleep to",
        "Breathe: {thing} from {place}",
    ),
    "hype": (
        "{Thing}, but it gets FASTER",
        "I tried to {action} for {n} days!",
        "You won't believe {thing} at {place}",
        "{n} of the wildest moments with {thing}",
        "Can I {action} in one take?!",
    ),
    "story": (
        "The forgotten story of {thing}",
        "One day at {place}",
        "Why my father taught me to {action}",
        "{Thing}: a short film from {place}",
        "What {place} taught me about {thing}",
    ),
}
DESCRIPTIONS: dict[str, tuple[str, ...]] = {
    "tutorial": (
        "Step by step: {action}, and all you need to know about {thing}. Filmed at {place}.",
        "I get asked how to {action}. Here is the short answer, and where beginners go wrong.",
    ),
    "calm": (
        "No words, no hurry. Just {thing}, recorded at {place}. Put on your headphones.",
        "A slow piece for the end of the day: {thing}, as it sounds at {place}.",
    ),
    "hype": (
        "We went to {place} and things got out of hand. {Thing} at full speed, turn it up!",
        "Challenge accepted: {action} before the timer runs out. Wait for the last second.",
    ),
    "story": (
        "Every place has a memory. This one is about {thing}, and the people of {place}.",
        "Years ago somebody showed me how to {action}. I went back to {place} to remember.",
    ),
}
CAPTIONS: dict[str, tuple[str, ...]] = {
    "tutorial": ("First, look at {thing}.", "Now {action}, slowly.", "That is all there is to it."),
    "calm": ("{place}, early in the morning.", "Listen to {thing}.", "Stay a while."),
    "hype": ("Are you ready?", "Watch me {action}!", "{Thing}, faster, faster!"),
    "story": ("It began at {place}.", "Nobody remembered {thing}.", "Then we learned to {action}."),
}
FIRST = ("Ada", "Bruno", "Chidi", "Dana", "Emre", "Fatima", "Goro", "Hanna", "Ivo", "June")
LAST = ("makes", "films", "weekly", "& friends", "outdoors", "studio", "daily", "from scratch")


def title(topic: Topic, style: str, rng: np.random.Generator, used: set[str]) -> str:
    """Draw a title that is not in `used`, and add it there."""
    while True:
        drawn = fill(_pick(PATTERNS[style], rng), topic, rng)
        if drawn not in used:
            used.add(drawn)
            return drawn


def description(topic: Topic, style: str, rng: np.random.Generator) -> str:
    """Draw a description of two or three sentences."""
    return fill(_pick(DESCRIPTIONS[style], rng), topic, rng)


def captions(topic: Topic, style: str, rng: np.random.Generator) -> list[str]:
    """Draw the three lines that are spoken in a clip."""
    return [_sentence(fill(line, topic, rng)) for line in CAPTIONS[style]]


def tags(topic: Topic, style: str, rng: np.random.Generator) -> list[str]:
    """Draw three or four tags."""
    words = [topic.name, style, topic.category.lower(), _pick(topic.things, rng)]
    return words[: int(rng.integers(3, 5))]


def query(topic: Topic, rng: np.random.Generator) -> str:
    """Draw what somebody who likes a topic types into the search field."""
    pools = (topic.things, topic.actions, (topic.name,))
    return _pick(pools[int(rng.integers(len(pools)))], rng)


def comment(topic: Topic, rng: np.random.Generator) -> str:
    """Draw a comment."""
    return _pick(topic.remarks, rng)


def creator(topic: Topic, number: int, rng: np.random.Generator) -> str:
    """Draw a creator's id, such as `ada-films-cooking-1`."""
    words = [_pick(FIRST, rng), _pick(LAST, rng), topic.name, str(number)]
    return "-".join(words).lower().replace(" ", "-").replace("&", "and")


def fill(pattern: str, topic: Topic, rng: np.random.Generator) -> str:
    """Put a topic's words into a pattern."""
    thing, action = _pick(topic.things, rng), _pick(topic.actions, rng)
    return pattern.format(
        thing=thing,
        Thing=_sentence(thing),
        action=action,
        Action=_sentence(action),
        place=_pick(topic.places, rng),
        n=int(rng.integers(3, 31)),
    )


def _pick(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
