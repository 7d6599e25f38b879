"""What is wrong with a request is said in plain words, whatever is wrong with it."""

import itertools
import json
import re

import pytest

from serving import messages
from serving.bodies import parse
from serving.problems import Problem
from serving.takedowns import AvailabilityPatch

TYPES = (
    *(messages.RecommendRequest, messages.SimilarRequest, messages.SearchRequest),
    *(messages.FeedbackRequest, messages.IdentifyRequest, messages.NoopRequest),
    AvailabilityPatch,
)
ODD = (
    *(None, True, 7, -1, 1e999, 2.5, 10**40, "", " ", "maybe", "x" * 5000, "2026-01-01T00:00:00"),
    *([], {}, [None], [7], [[]], ["x" * 5000], ["x"] * 10_001, {"a": None}, {"a": [[]]}),
    *({"a": {}}, {"a": "x" * 5000}, {"x" * 5000: 1}, {"a": list(range(60))}, {"string": []}),
    {str(number): number for number in range(60)},
)
PYDANTIC = re.compile(
    r"[Ii]nput|should|required|valid|Extra|Unable|constrained|union|\[key\]|int_|bool\b|str\b|dict"
)
RIGHT = {"user_id": "u", "video_id": "v", "query": "q", "person_id": "p", "events": [{}]}


def refusal(body_type, content):
    """What a request is answered with; None where it is taken."""
    try:
        parse(json.dumps(content).replace("Infinity", "1e999").encode(), body_type)
    except Problem as problem:
        return problem.body
    return None


def asked(body_type, **fields):
    return {name: RIGHT[name] for name in body_type.model_fields if name in RIGHT} | fields


@pytest.mark.parametrize("body_type", TYPES)
def test_every_refusal_names_the_field_and_what_is_right_in_plain_words(body_type):
    names = [*body_type.model_fields, "no_such"]
    refused = 0
    for name, value in itertools.product(names, ODD):
        told = refusal(body_type, asked(body_type, **{name: value}))
        if told is None:
            continue
        refused += 1
        assert re.search(rf"\b{name}\b", told["what"]), told
        assert told["expected"], told
        assert "any value" not in told["expected"], told
        assert not PYDANTIC.search(told["detail"].replace("valid_", "").replace(repr(value), ""))
        assert len(told["detail"]) < 1000
    assert refused >= len(ODD)  # of the field that does not exist alone
    for value in (None, True, 7, "text", [{}]):
        assert refusal(body_type, value)["what"] == "the body is wrong"


@pytest.mark.parametrize(
    ("wrong", "what", "got", "expected"),
    [
        ({"top_k": "ten"}, "top_k is wrong", "ten", "a whole number from 1 to 500"),
        ({"top_k": None}, "top_k is null", None, "a whole number from 1 to 500"),
        ({"include_seen": "yes"}, "include_seen is wrong", "yes", "true or false"),
        ({"history": ["a", 5]}, "history.1 is wrong", 5, "text of 1 to 2048 characters"),
        (
            {"context": {"a": [1]}},
            *("context.a is wrong", "[1]"),
            "text of at most 200 characters, true or false, or a number",
        ),
        (
            {"context": {"n" * 201: 1}},
            *("a name in context is wrong", "n" * 120 + "… (201 characters)"),
            "text of at most 200 characters",
        ),
        (
            {"exclude": ["v"] * 10_001},
            *("exclude is wrong", "10001 values"),
            "a list of at most 10000 values, each text of 1 to 2048 characters",
        ),
        *(
            (
                {"filters": {"duration_s": {"min": 60, "max": value}}},
                *("filters.duration_s.max is wrong", value),
                "a number, or a time in ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z",
            )
            for value in ("x", "", True, "nan")
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_was_there_and_what_is_right(wrong, what, got, expected):
    told = refusal(messages.RecommendRequest, {"user_id": "u", **wrong})
    assert (told["what"], told["got"], told["expected"]) == (what, got, expected)


@pytest.mark.parametrize("end", [60, 1.5, "60", "-1e3", "2026-01-31", "2026-01-31T12:00:00Z"])
def test_a_range_may_end_at_a_number_or_a_time(end):
    for field in ("min", "max"):
        wanted = {"user_id": "u", "filters": {"duration_s": {field: end}}}
        assert refusal(messages.RecommendRequest, wanted) is None


def test_a_misspelt_field_is_told_with_the_name_that_was_meant():
    told = refusal(messages.RecommendRequest, {"user_id": "u", "topk": 3})
    assert told["what"] == "there is no field topk"
    assert told["next_step"].startswith("did you mean top_k?")


def test_a_time_without_a_zone_is_told_with_an_example():
    told = refusal(AvailabilityPatch, {"available_from": "2026-01-01T00:00:00"})
    assert told["expected"] == "a time with its zone, such as 2026-01-31T12:00:00Z, or null"


def test_a_missing_field_is_told_with_what_it_is():
    told = refusal(messages.SearchRequest, {})
    assert told["what"] == "query is missing"
    assert told["expected"].startswith('text of 1 to 1000 characters; {"query", ')
