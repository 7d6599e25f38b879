"""What the demo shows: slates over real HTTP, and how feedback changes the next one.

The sample's users have known tastes, so each row can say how much the user would truly enjoy the
video, and the whole can be held against the best slates possible.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from rich.console import Console
from rich.markup import escape

from kinoloop.cli.own_service import caller
from kinoloop.cli.tables import show as show_table
from kinoloop.data.interest import INTERACTIONS
from kinoloop.environment import Environment
from kinoloop.errors import ServerError
from kinoloop.sample.topics import TOPIC_NAMES, TOPICS
from kinoloop.sample.truth import Truth
from kinoloop.sample.world import World, build_world

TOP_K = 6
PATIENCE_S = 300.0  # with one answer
SHOWN = 3  # users
JUDGED = 60  # users whose slates are held against the oracle
SEARCH, SOUGHT = "old steam trains crossing the mountains", "trains"


def show(environment: Environment, batches: Path, console: Console) -> None:
    """Ask the service for slates and print them.

    Args:
        environment: Names the service.
        batches: Where the batches of the sample lie, to know who watched what.
        console: Where to print.

    Raises:
        ServerError: The service refuses a request.
    """
    world = build_world()
    seen, popular = watched(batches)
    guests = _guests(world, seen)
    with caller(environment, patience_s=PATIENCE_S) as client:
        stage = _Stage(client, console, world, seen)
        for user in guests:
            stage.slate(user)
        stage.change_of_heart(guests[0])
        stage.judge(popular)


class _Stage:
    """One evening's programme: a client, a console, and who knows the truth."""

    def __init__(
        self, client: httpx.Client, console: Console, world: World, seen: dict[str, set[str]]
    ) -> None:
        self._client, self._console = client, console
        self._world, self._seen = world, seen
        self._truth = Truth(world)
        self._now = world.config.at(world.config.days)
        self._topics = {v.video_id: TOPICS[v.topic].category for v in world.videos}

    def slate(self, user: str, before: list[str] | None = None) -> list[str]:
        """Print a user's slate; rows that are new since `before` are marked."""
        answer = self._post("/recommend", {"user_id": user, "top_k": TOP_K})
        chances = self._truth.affinity(user, self._now)
        rows = []
        for video in answer["slate"]:
            new = before is not None and video["video_id"] not in before
            chance = chances.get(video["video_id"])
            rows.append(
                [
                    "[green]new[/green]" if new else "·",
                    escape(video["title"]),
                    self._topics.get(video["video_id"], ""),
                    escape(video["reason"]),
                    "" if chance is None else f"{chance:.0%}",
                ]
            )
        self._console.print(f"\n{self._heading(user)}")
        columns = ["", "title", "category", "why", "truly likes"]
        show_table(self._console, columns, rows, words=(1, 2, 3))
        self._console.print(
            f"[dim]  request {answer['request_id']}, model version {answer['model_version']}[/dim]"
        )
        return [video["video_id"] for video in answer["slate"]]

    def change_of_heart(self, user: str) -> None:
        """Search, like what was found, and see the next slate change."""
        before = [v["video_id"] for v in self._recommend(user)]
        found = self._post("/search", {"query": SEARCH, "top_k": 3})["slate"]
        self._console.print(f"\n[bold]{user} searches for “{SEARCH}”[/bold], and likes:")
        events = []
        for video in found:
            self._console.print(f"  ♥ {video['title']}")
            events += [
                {"user_id": user, "video_id": video["video_id"], "event": event}
                for event in ("view", "like")
            ]
        receipt = self._post("/feedback", {"events": events})
        self._console.print(
            f"  {receipt['accepted']} events accepted, {receipt['rejected']} rejected. "
            "The next slate:"
        )
        self.slate(user, before)

    def judge(self, popular: list[str]) -> None:
        """Hold the slates of many users against the best possible, and against popularity."""
        scores: dict[str, list[float]] = defaultdict(list)
        for user in list(self._seen)[:JUDGED]:
            seen = self._seen[user]
            slates = {
                "the champion": [v["video_id"] for v in self._recommend(user)],
                "the most popular": [v for v in popular if v not in seen][:TOP_K],
            }
            for name, slate in slates.items():
                if slate:
                    scores[name].append(self._truth.closeness(user, slate, self._now, exclude=seen))
        self._console.print(
            "\n[bold]How close to the best possible slates[/bold] "
            f"(true enjoyment over the oracle's, {JUDGED} users):"
        )
        for name, values in scores.items():
            self._console.print(f"  {sum(values) / len(values):4.0%}  {name}")

    def _recommend(self, user: str) -> list[dict[str, Any]]:
        slate: list[dict[str, Any]] = self._post("/recommend", {"user_id": user, "top_k": TOP_K})[
            "slate"
        ]
        return slate

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._client.post(path, json=body)
        except httpx.HTTPError as err:
            raise ServerError(
                f"the service did not answer to {path} in {PATIENCE_S:.0f} s: {err!r}; "
                "its log is in the state folder, logs/service.log"
            ) from err
        if not answer.is_success:
            raise ServerError(
                f"the service answered {answer.status_code} to {path}: {answer.text[:300]}; "
                "its log is in the state folder, logs/service.log"
            )
        document: dict[str, Any] = answer.json()
        return document

    def _heading(self, user: str) -> str:
        taste = self._world.taste(self._world.user_ids.index(user), self._world.config.days)
        liked = [TOPICS[i].name for i in taste.argsort()[::-1] if taste[i] > 0]
        watched = len(self._seen.get(user, ()))
        return f"[bold]{user}[/bold] likes {', '.join(liked)} ({watched} videos watched)"


def watched(batches: Path) -> tuple[dict[str, set[str]], list[str]]:
    """Who met what, as a history counts it, and what was viewed most in the last two weeks."""
    events = pl.scan_parquet(batches / "*" / "events" / "*.parquet").filter(
        pl.col("event").is_in(INTERACTIONS), pl.col("user_id").is_not_null()
    )
    pairs = events.group_by("user_id").agg(pl.col("video_id").unique()).sort("user_id").collect()
    end = build_world().config
    recent = events.filter(
        pl.col("event") == "view",
        pl.col("timestamp").is_between(end.at(end.days - 14), end.at(end.days)),
    )
    ranked = recent.group_by("video_id").len().sort("len", "video_id", descending=True).collect()
    return {user: set(videos) for user, videos in pairs.iter_rows()}, ranked["video_id"].to_list()


def _guests(world: World, seen: dict[str, set[str]]) -> list[str]:
    """Users to show: first one who has just come to like what `SEARCH` looks for, then others."""
    day, sought = world.config.days, TOPIC_NAMES.index(SOUGHT)
    about = {video.video_id: video.topic for video in world.videos}

    def watched(user: str, topic: int) -> int:
        return sum(about.get(video) == topic for video in seen[user])

    regulars = [(i, u) for i, u in enumerate(world.user_ids) if len(seen.get(u, ())) >= 12]
    converts = [
        (watched(user, sought), user)
        for index, user in regulars
        if world.taste(index, day).argmax() == sought
    ]
    guests = [min(converts)[1]]
    favourites = {sought}
    for index, user in regulars:
        favourite = int(world.taste(index, day).argmax())
        if favourite not in favourites and len(guests) < SHOWN:
            favourites.add(favourite)
            guests.append(user)
    return guests
