"""An index finds what scoring every vector finds, as far as it was measured to."""

import shutil
from dataclasses import replace

import faiss
import numpy as np
import pytest

from kinoloop.errors import BundleError
from kinoloop.release.near_duplicates import NearDuplicates
from kinoloop.retrieval.allowed import Allowed
from kinoloop.retrieval.building import grown
from kinoloop.retrieval.coded import CodedLists
from kinoloop.retrieval.nearest import Asked, Nearest
from kinoloop.retrieval.plan import AT, SHARES
from kinoloop.retrieval.searching import Ordered
from tests.retrieval import world
from tests.retrieval.world import CONFIG, N

ALONE = NearDuplicates([None] * N)
EVERY = np.ones(N, dtype=bool)


def asked(query, named=()):
    rows = world.vectors()
    return Asked(query, np.array(named, np.intp), lambda at: rows[at] @ query, lambda: rows @ query)


def nearest(wanted, marks, *, index=None, groups=ALONE):
    index, allowed = index or world.index(), Allowed.of(marks)
    return Nearest(wanted, index, allowed, holding=index.holding(allowed), groups=groups)


def filters():
    """Filters of every measured share: spread, and a region far from the queries."""
    rng, rows = np.random.default_rng(11), world.vectors()
    for share in SHARES:
        yield share, rng.random(N) < share
        along = rows @ rng.normal(size=world.DIM).astype(np.float32)
        yield share, along >= np.sort(along)[min(N - 1, int((1 - share) * N))]


def test_finds_as_many_of_the_best_as_was_measured_under_every_filter():
    plan = world.index().plan
    assert [level.share for level in plan.levels] == list(SHARES)
    assert plan.levels[0].probes  # some level searches lists at all
    for share, marks in filters():
        shares = []
        for query in world.queries(24):
            scores = np.where(marks, world.vectors() @ query, -np.inf)
            best = np.argsort(-scores, kind="stable")[: min(AT, marks.sum())]
            found = nearest(asked(query), marks).best(AT)
            assert marks[found].all()
            assert len(found) == len(best) == len(set(found.tolist()))
            shares.append(len(np.intersect1d(found, best)) / len(best))
        assert np.mean(shares) >= plan.level(share).lowest - 0.01


def test_scores_and_their_order_are_those_of_full_vectors():
    query = world.queries()[0]
    found = nearest(asked(query), EVERY)
    best = found.best(20)
    scores = world.vectors() @ query
    np.testing.assert_allclose(found[best], scores[best], rtol=1e-5)
    assert (np.diff(found[best]) <= 0).all()
    np.testing.assert_allclose(found.whole(), scores)


def test_finds_a_named_video_wherever_its_vector_lies():
    query, rows = world.queries()[0], world.vectors()
    worst = int((rows @ query).argmin())

    def at(videos):
        return rows[videos] @ query + np.where(videos == worst, np.float32(1e3), np.float32(0))

    wanted = replace(asked(query, [worst]), at=at)
    assert nearest(wanted, EVERY).best(3)[0] == worst
    assert worst not in nearest(wanted, EVERY).without(np.array([worst])).best(AT)


def test_of_videos_that_show_the_same_only_the_best_is_left():
    query = world.queries()[0]
    order = nearest(asked(query), EVERY).best(4)
    names = np.full(N, None, dtype=object)
    names[order[[1, 3]]] = "same"
    same = NearDuplicates(names.tolist())
    found = nearest(asked(query), EVERY, groups=same)
    assert found.best(3).tolist() == [order[0], order[1], order[2]]
    assert order[3] not in found.best(50)
    assert found[order[[1, 3]]].tolist()[1] == -np.inf
    few = np.isin(np.arange(N), order)
    assert nearest(asked(query), few, groups=same).more_than(2)
    assert not nearest(asked(query), few, groups=same).more_than(3)
    hidden = found.without(order[1:2])
    assert hidden.best(3).tolist() == [order[0], order[2], order[3]]  # the other one stands for it


def test_gives_more_than_it_was_measured_for_and_all_in_the_end():
    query = world.queries()[0]
    marks = np.arange(N) < 900
    found = nearest(asked(query), marks)
    scores = np.where(marks, world.vectors() @ query, -np.inf)
    assert found.more_than(899)
    assert not found.more_than(900)
    assert found.best(2000).tolist() == np.argsort(-scores, kind="stable")[:900].tolist()
    assert not len(nearest(asked(query), np.zeros(N, bool)).best(5))


def test_walks_down_an_order_past_what_is_left_out():
    scores = np.random.default_rng(0).random(N).astype(np.float32)
    marks = np.arange(N) % 50 == 7
    wanted = Asked(scores[:0], np.empty(0, np.intp), scores.__getitem__, scores.copy)
    found = nearest(wanted, marks, index=Ordered.by(scores)).best(10)
    expected = np.argsort(-np.where(marks, scores, -np.inf), kind="stable")[:10]
    assert found.tolist() == expected.tolist()


def test_the_same_vectors_make_the_same_index(tmp_path):
    index, again = world.index(), world.index.__wrapped__()
    assert again.plan == index.plan
    for at, one in enumerate((index, again)):
        one.lists.save(tmp_path / str(at))
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def grow(tmp_path, rows, changed=(), **settings):
    index, path = world.index(), tmp_path / "index.faiss"
    index.lists.save(path)
    config = CONFIG.model_copy(update=settings)
    changed = np.array(changed, np.intp)
    return grown(path, index, world.space(rows), world.queries, changed=changed, config=config)


def test_grows_by_new_and_changed_vectors_in_the_lists_it_has(tmp_path):
    rows = np.concatenate([world.vectors(), world.vectors()[:300] + np.float32(0.01)])
    rows[7] = -rows[7]
    index = grow(tmp_path, rows, [7])
    assert (len(index.lists), index.plan.videos, index.plan.built) == (N + 300, N + 300, N)
    np.testing.assert_array_equal(index.lists.centres, world.index().lists.centres)
    assert index.list_of[N + 5] >= 0
    query = rows[7] / np.linalg.norm(rows[7])
    wanted = Asked(query, np.empty(0, np.intp), lambda at: rows[at] @ query, lambda: rows @ query)
    marks = np.ones(N + 300, dtype=bool)
    groups = NearDuplicates([None] * (N + 300))
    found = nearest(wanted, marks, index=index, groups=groups).best(10)
    assert set(found.tolist()) >= set(np.argsort(-rows @ query)[:5].tolist())
    assert index.list_of[7] != index.list_of[N + 7]  # it looks the other way now
    assert index.list_of[8] == index.list_of[N + 8] == world.index().list_of[8]


def test_is_measured_again_once_more_than_a_few_came(tmp_path):
    few, more = (np.concatenate([world.vectors(), world.vectors()[:n]]) for n in (100, 130))
    index = grow(tmp_path, few, [3])
    assert index.plan.unmeasured == 101
    assert index.plan.levels == world.index().plan.levels
    assert (index.plan.videos, len(index.lists)) == (N + 100, N + 100)
    index.lists.save(tmp_path / "next")
    asked = (tmp_path / "next", index, world.space(more), world.queries)
    again = grown(*asked, changed=np.empty(0, np.intp), config=CONFIG)
    assert again.plan.unmeasured == 0
    assert again.plan.videos == N + 130


@pytest.mark.parametrize("settings", [{"appended": 0.01}, {}])
def test_is_made_anew_where_its_lists_serve_no_more(tmp_path, settings):
    new = world.vectors()[: N // 4] if settings else world.vectors()[:3] + 1
    rows = np.concatenate([world.vectors(), new])
    changed = [] if settings else range(N // 2)
    index = grow(tmp_path, rows, changed, **settings)
    assert index.plan.built == len(rows)


def test_refuses_an_index_before_reading_it_where_its_digest_differs(tmp_path):
    path = tmp_path / "index.faiss"
    world.index().lists.save(path)
    with pytest.raises(BundleError, match=r"index\.faiss changed: expected SHA-256 0000.*fetch"):
        CodedLists.open(path, digest="0" * 64)


@pytest.mark.parametrize("content", [b"", b"IwSq" + bytes(40), b"nonsense" * 99])
def test_refuses_what_is_no_index(tmp_path, content):
    path = tmp_path / "index.faiss"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"cannot be read as an index: .*publish again"):
        CodedLists.open(path, digest=None)


def test_refuses_an_index_of_another_kind(tmp_path):
    path = tmp_path / "index.faiss"
    faiss.write_index(faiss.IndexFlatL2(3), str(path))
    with pytest.raises(BundleError, match="is a IndexFlatL2, expected lists of 8-bit codes"):
        CodedLists.open(path, digest=None)


def test_reads_codes_where_they_lie(tmp_path):
    path = tmp_path / "index.faiss"
    world.index().lists.save(path)
    opened = CodedLists.open(path, digest=None)
    lists = np.arange(len(opened.sizes))
    query = world.queries()[0]
    kept = world.index().lists.search(query, 30, lists, None)
    shutil.copyfile(path, tmp_path / "other")
    np.testing.assert_array_equal(opened.search(query, 30, lists, None), kept)
    np.testing.assert_array_equal(opened.sizes, world.index().lists.sizes)
