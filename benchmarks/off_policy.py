"""Off-policy estimates against truth: what the log says of a policy, and what it brings when run.

    python -m benchmarks.off_policy                        # about 10 minutes of one core
    python -m benchmarks.off_policy --repeats 20 --visits 5

Users of the sample (without its media), drawn anew for each log, get slates of ten by item-kNN that
explore, as the service draws them, and click as the simulator has it: place k is looked at with
chance 1 / (1 + k / 4), a video that is looked at is started by true affinity. From each log, every
other policy is estimated and compared with its true value, which the world knows, and with what it
brought when it was run for as many visits. Printed for each policy: how often the 95 % intervals
covered the truth over all logs, the mean error, and the mean width of the intervals, by estimator.

`best` knows the truth and shows videos that the log hardly tried: its mean weight says so.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.policy import sample
from kinoloop.evaluation.off_policy import Interval, Places, estimate
from kinoloop.evaluation.reward_model import RewardModel
from kinoloop.models.base import build
from kinoloop.models.top_k import best_columns
from kinoloop.release.slate import Recommendation, Slate
from kinoloop.sample.behaviour import POSITION_BIAS
from kinoloop.sample.world import build_world
from serving.exploring import Draw, explored

TOP_K, DAYS, AMONG = 10, 7, 120
LOGGING = "item_knn"
OTHERS = ("popularity", "user_knn", "ease", "content_cosine")
EXPLORING = {"uniform": 0.0, "softmax of 10 ranks": 10.0, "softmax of 40 ranks": 40.0}
ESTIMATORS = ("ips", "snips", "dr")


@dataclass(frozen=True)
class Setting:
    """Who is shown what, and how likely they click.

    Attributes:
        head: (n_users, TOP_K + AMONG) videos of the policy that serves, best first.
        slates: (n_users, TOP_K) of each policy.
        click: (n_users, n_videos) chance of a click where a video is looked at.
    """

    head: np.ndarray
    slates: dict[str, np.ndarray]
    click: np.ndarray


LOOKS = 1 / (1 + POSITION_BIAS * np.arange(TOP_K))


def prepare(seed: int) -> Setting:
    """Fit the policies on what came before the last days."""
    world = build_world()
    data = sample(world)
    cut = round(world.config.at(world.config.days - DAYS).timestamp() * 1e6)
    known = data.histories.select(data.histories.timestamps < cut)
    rows = np.flatnonzero(known.lengths > 0)
    histories = known.rows(rows)
    moment = world.config.days - DAYS / 2
    closed = np.asarray(data.catalogue.published_at) > cut
    at = {video.video_id: index for index, video in enumerate(world.videos)}
    order = np.array([at[video] for video in data.catalogue.ids.ids])
    users = {name: index for index, name in enumerate(world.user_ids)}
    affinity = np.stack([world.affinity(users[name], moment)[order] for name in histories.user_ids])
    found = {}
    for kind in (LOGGING, *OTHERS):
        scores = build({"kind": kind}, seed=seed).fit(known, data.catalogue).score(histories)
        found[kind] = scores
    found["best"] = affinity.astype(np.float32)
    for scores in found.values():
        scores[histories.row_of, histories.videos] = -np.inf
        scores[:, closed] = -np.inf
    head = best_columns(found[LOGGING], TOP_K + AMONG)
    slates = {name: best_columns(scores, TOP_K) for name, scores in found.items()}
    return Setting(head, slates, 0.08 + 0.92 * affinity)


class Log(NamedTuple):
    """What was shown, and what came of it.

    Attributes:
        persons: (n_users,) whom of the setting each user of the log is.
        users: (n_answers,) whose each answer is.
        shown: (n_answers, TOP_K) videos.
        chances: (n_answers, TOP_K) propensities.
        clicked: (n_answers, TOP_K).
    """

    persons: np.ndarray
    users: np.ndarray
    shown: np.ndarray
    chances: np.ndarray
    clicked: np.ndarray


def draw(setting: Setting, visits: int, draw_by: tuple[float, float], seed: int) -> Log:
    """Draw users, and let each visit so often."""
    share, temperature = draw_by
    rng = np.random.default_rng(seed)
    persons = rng.integers(len(setting.head), size=len(setting.head))
    users = np.repeat(np.arange(len(persons)), visits)
    shown = np.empty((len(users), TOP_K), dtype=np.int64)
    chances = np.empty((len(users), TOP_K))
    seeds = rng.integers(2**62, size=len(users)).tolist()
    for answer, head in enumerate(setting.head[persons[users]].tolist()):
        ranked = [Recommendation(str(video), 0.0, "", "") for video in head]
        best = Slate(ranked[:TOP_K])
        best.more = True
        draw_one = Draw(share, AMONG, seeds[answer], temperature)
        found = explored(best, draw_one, partial(_rest, ranked))
        shown[answer] = [int(place.video_id) for place in found]
        chances[answer] = found.propensities
    likely = LOOKS * setting.click[persons[users][:, None], shown]
    return Log(persons, users, shown, chances, rng.random(shown.shape) < likely)


def _rest(ranked: list[Recommendation], _: Sequence[str], n: int) -> Slate:
    return Slate(ranked[TOP_K:][:n])


def judged(log: Log, slates: np.ndarray, n_videos: int) -> Places:
    """Put a policy beside the log."""
    shape = log.shown.shape
    answers, places = (some.ravel() for some in np.indices(shape))
    users, shown, rewards = log.users[answers], log.shown.ravel(), log.clicked.ravel().astype(float)
    model = RewardModel.fit(rewards, places, shown, users, n_videos=n_videos)
    other = slates[log.persons[users], places]
    return Places(
        answers, log.users, places, rewards, log.chances.ravel(), (other == shown).astype(float),
        model.predict(places, shown, users), model.predict(places, other, users),
    )  # fmt: skip


def worth(setting: Setting, slates: np.ndarray) -> float:
    """Clicks per answer that slates bring in the long run."""
    rows = np.arange(len(slates))[:, None]
    return float((LOOKS * setting.click[rows, slates]).sum(axis=1).mean())


def run(setting: Setting, slates: np.ndarray, visits: int, seed: int) -> Interval:
    """Clicks per answer when a policy serves for so many visits, with its interval."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(len(slates)), visits)
    clicks = rng.random((len(rows), TOP_K)) < LOOKS * setting.click[rows[:, None], slates[rows]]
    total = clicks.sum(axis=1)
    error = 1.96 * float(total.std()) / np.sqrt(len(total))
    return Interval(float(total.mean()), float(total.mean() - error), float(total.mean() + error))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--visits", type=int, default=40, help="of each user, in a log")
    parser.add_argument("--repeats", type=int, default=100, help="logs")
    parser.add_argument("--share", type=float, default=1.0, help="of the answers that explore")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    setting = prepare(arguments.seed)
    console = Console(width=180)
    n_videos = setting.click.shape[1]
    for name, temperature in EXPLORING.items():
        table = Table(
            "policy", "truth", "run", "mean weight", "effective",
            *(f"{one} {what}" for one in ESTIMATORS for what in ("covers", "error", "width")),
            title=f"{name}, share {arguments.share:g}, {len(setting.head) * arguments.visits:,} "
            f"answers, {arguments.repeats} logs",
        )  # fmt: skip
        found: dict[str, list[list[float]]] = {policy: [] for policy in setting.slates}
        support: dict[str, list[tuple[float, float]]] = {policy: [] for policy in setting.slates}
        for repeat in range(arguments.repeats):
            seed = arguments.seed * 1_000_003 + repeat
            log = draw(setting, arguments.visits, (arguments.share, temperature), seed)
            for policy, slates in setting.slates.items():
                said = estimate(judged(log, slates, n_videos), seed=seed, resamples=300)
                true = worth(setting, slates)
                line = []
                for one in ESTIMATORS:
                    value = said.values[one]
                    line += [value.low <= true <= value.high, value.value - true]
                    line += [value.high - value.low]
                found[policy].append(line)
                support[policy].append((said.support.mean_weight.value, said.support.effective))
        for policy, lines in found.items():
            slates = setting.slates[policy]
            weight, effective = np.mean(support[policy], axis=0)
            ran = run(setting, slates, arguments.visits, arguments.seed)
            cells = [f"{worth(setting, slates):.3f}", f"{ran.value:.3f}", f"{weight:.2f}"]
            cells.append(f"{effective:,.0f}")
            covers, error, width = np.mean(lines, axis=0).reshape(-1, 3).T
            for at in range(len(ESTIMATORS)):
                cells += [f"{covers[at]:.0%}", f"{error[at]:+.3f}", f"{width[at]:.3f}"]
            table.add_row(policy, *cells)
        console.print(table)


if __name__ == "__main__":
    main()
