from kinoloop.retrieval.plan import Level, Plan
from serving import metrics


def plan(probes):
    levels = [Level(share=0.01, probes=probes, recall=0.995, recall_near=0.99)]
    return Plan(videos=9, built=9, probes=probes, levels=tuple(levels))


def told():
    lines = metrics.exposition().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.split()[-1]) for line in lines if "{" in line}


def test_tells_the_measured_recall_of_the_release_in_service_and_of_no_other():
    metrics.tell_indexes({"similar": plan(12), "recommend": None})
    found = told()
    assert found['kinoloop_retrieval_recall{index="similar",share="0.01"}'] == 0.99
    assert found['kinoloop_retrieval_lists{index="similar",share="0.01"}'] == 12
    assert not any('index="recommend"' in name for name in found)
    metrics.tell_indexes({})  # a release without: everything is scored
    found = told()
    assert found['kinoloop_retrieval_recall{index="similar",share="0.01"}'] == 1
    assert found['kinoloop_retrieval_lists{index="similar",share="0.01"}'] == 0
