from types import SimpleNamespace

from kinoloop.retrieval.plan import Level, Plan
from serving.operation import NO_INDEX, NO_RELEASE, Kept, recall_of


def _in_service(plans):
    return SimpleNamespace(release=SimpleNamespace(indexes=SimpleNamespace(plans=plans)))


def test_recall_is_told_by_index_and_by_share_that_a_filter_leaves():
    levels = (
        Level(share=1.0, probes=12, recall=0.995, recall_near=0.991),
        Level(share=0.01, probes=0, recall=1.0, recall_near=1.0),
    )
    plan = Plan(videos=9, built=9, probes=12, levels=levels)
    told = recall_of(_in_service({"recommend": None, "similar": plan}))
    assert (told.top_k, told.unknown_because) == (100, None)
    assert [tuple(one.model_dump().values()) for one in told.points] == [
        ("similar", 1.0, 0.991, 12),
        ("similar", 0.01, 1.0, 0),
    ]


def test_without_an_index_it_says_why_there_is_no_recall():
    assert recall_of(_in_service({})).unknown_because == NO_INDEX
    assert recall_of(None).unknown_because == NO_RELEASE


def test_what_takes_long_is_made_once_until_it_is_old_or_of_another_release():
    made = []

    def make():
        made.append(1)
        return len(made)

    kept = Kept(3600.0)
    assert [kept.of("a", make), kept.of("a", make), kept.of("b", make)] == [1, 1, 2]
    old = Kept(-1.0)
    assert [old.of("a", make), old.of("a", make)] == [3, 4]
