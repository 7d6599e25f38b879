"""Slates against the best possible ones on the sample, with and without the ranker.

    python -m benchmarks.enjoyment [--users 600]

Run it where `make demo` has run: it reads that data, that key and the champion (or else the
challenger). Slates of six to each user from what is on record, at the end of the sample's days.

Needs: what `make demo` leaves in this folder
"""

import argparse
from datetime import datetime

from kinoloop.cli.showcase import TOP_K, watched
from kinoloop.environment import Environment
from kinoloop.privacy.pseudonyms import load_pseudonyms
from kinoloop.registry.client import ModelRegistry
from kinoloop.release.release import Release
from kinoloop.release.signature import load_trust
from kinoloop.sample import Truth, build_world

WITHOUT_MS = -1.0  # a budget that leaves no time for re-ranking


def main() -> None:
    """Ask for every slate twice and print the means."""
    parser = argparse.ArgumentParser(description="Slates against the sample's oracle.")
    parser.add_argument("--users", type=int, default=600)
    arguments = parser.parse_args()
    environment, world = Environment(), build_world()
    registry = ModelRegistry(environment.tracking_uri)
    version = registry.by_alias("champion") or registry.by_alias("challenger")
    if version is None:
        raise SystemExit("there is no release; run `make demo` first")
    trust = load_trust(environment)
    release = Release.open(registry.download(version, environment.releases, trust=trust), trust)
    pseudonyms, truth = load_pseudonyms(environment), Truth(world)
    now: datetime = world.config.at(world.config.days)
    seen, popular = watched(environment.data_dir / "sample" / "batches")
    found: dict[str, list[float]] = {}
    for user in list(seen)[: arguments.users]:
        name = pseudonyms.of(user)
        history, met = release.history_of(name), release.seen_by(name)
        slates = {
            "with the ranker": release.recommend(history, top_k=TOP_K, seen=met),
            "without": release.recommend(history, top_k=TOP_K, seen=met, budget_ms=WITHOUT_MS),
        }
        shown = {name: [place.video_id for place in slate] for name, slate in slates.items()}
        shown["most popular"] = [video for video in popular if video not in seen[user]][:TOP_K]
        for name, slate in shown.items():
            closeness = truth.closeness(user, slate, now, exclude=seen[user])
            found.setdefault(name, []).append(closeness)
    print(f"version {version.version}, {release.info.kind}, {arguments.users} users at most")
    for name, values in found.items():
        print(
            f"{name:16} {sum(values) / len(values):.3f} of the best possible, {len(values)} users"
        )


if __name__ == "__main__":
    main()
