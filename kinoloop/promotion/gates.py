"""The gates between challenger and champion: each a condition, what was measured, what is next.

None decides by the milliseconds of one machine: what an answer costs is compared in turns (see
`latency.py`), and an absolute limit is a warning unless the settings make it a gate.
"""

from collections.abc import Sequence

from pydantic import Field

from kinoloop.errors import BundleError
from kinoloop.promotion.latency import Latency
from kinoloop.promotion.slices import SliceGain
from kinoloop.release.release import Release
from kinoloop.settings import Config, FrozenRecord

COMPARED_BY = "ndcg@10"


class PromoteConfig(Config):
    """Section `[promote]`: the gates between challenger and champion."""

    min_gain: float = Field(
        0.0, description="The interval of the NDCG@10 difference must lie above this."
    )
    margin: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Trained on newer data, a challenger passes that is not proven worse by more "
        "than this share of the champion, in all and on each slice.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of that interval.")
    min_users: int = Field(
        20, ge=2, description="Fewer users in the window than this prove nothing."
    )
    min_coverage: float = Field(
        0.001,
        ge=0,
        le=1,
        description="Share of videos that reach any slate; below, one hit for all.",
    )
    max_slowdown: float = Field(
        10.0,
        gt=0,
        description="CPU time of an answer over the champion's, in turns; more needs as many more "
        "machines.",
    )
    max_over_floor: float = Field(
        100.0,
        gt=0,
        description="Without a champion: CPU time over a plain product and small network; beyond, "
        "it is broken.",
    )
    max_latency_ms: float = Field(
        50.0,
        gt=0,
        description="95th percentile of an answer on this machine, ms; above, a warning.",
    )
    latency_limit_is_a_gate: bool = Field(
        default=False, description="Refuse above max_latency_ms; for machines without other work."
    )
    seed: int = Field(0, ge=0, description="Of the bootstrap.")


class Gate(FrozenRecord):
    """One condition of promotion.

    Attributes:
        name: For people.
        passed: Whether it lets the challenger through.
        measured: What was found.
        required: What it asks for.
        next_step: What to do where it refuses.
    """

    name: str
    passed: bool
    measured: str
    required: str
    next_step: str = ""

    @property
    def refusal(self) -> str:
        """The gate as a sentence, for where it refused."""
        advice = f"; next: {self.next_step}" if self.next_step else ""
        return f"{self.name}: {self.measured}, required {self.required}{advice}"


class Gain(FrozenRecord):
    """Mean difference of NDCG@10, challenger − champion, with its interval."""

    mean: float
    low: float
    high: float
    users: int
    confidence: float


def bundle_gate(challenger: Release) -> Gate:
    """Whether files and golden requests are what they were."""
    try:
        challenger.check()
        outcome = "all agree"
    except BundleError as err:
        outcome = str(err)
    return Gate(
        name="bundle and golden requests",
        passed=outcome == "all agree",
        measured=outcome,
        required="all agree",
        next_step="make the release again: kinoloop retrain --force",
    )


def users_gate(users: int, config: PromoteConfig) -> Gate:
    """Whether the window can prove anything."""
    return Gate(
        name="enough users",
        passed=users >= config.min_users,
        measured=f"{users} users in the window",
        required=f"≥ {config.min_users}",
        next_step="ingest more events, or lengthen [retrain] test_days, and retrain; "
        "[promote] min_users is the bound",
    )


def gain_gate(gain: Gain | None, config: PromoteConfig, *, has_champion: bool) -> Gate:
    """Whether the challenger beats the champion; the first release passes."""
    if gain is None:
        measured = "no user to compare on" if has_champion else "no champion yet"
    else:
        measured = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
    return Gate(
        name="beats the champion",
        passed=not has_champion if gain is None else gain.low > config.min_gain,
        measured=measured,
        required=f"{COMPARED_BY} interval above {config.min_gain:g}",
        next_step="nothing, the champion stays; retrain on newer data, or let an equal in with a "
        "negative [promote] min_gain",
    )


def fresher_gate(
    gain: Gain, slices: Sequence[SliceGain], champion: float, config: PromoteConfig
) -> Gate:
    """Whether a challenger that was trained on newer data is not worse, anywhere.

    Args:
        gain: Over all users.
        slices: Parts of the window; those with fewer than `min_users` users prove nothing.
        champion: The champion's value over all users.
        config: The margin.
    """
    whole = SliceGain(
        name="all",
        users=gain.users,
        champion=champion,
        mean=gain.mean,
        low=gain.low,
        high=gain.high,
    )
    judged = [whole, *(one for one in slices if one.users >= config.min_users)]
    worse = [one for one in judged if one.low < -config.margin * one.champion]
    shown = worse or [whole]
    measured = "; ".join(
        f"{one.name} {one.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}] of {one.champion:.4f}"
        for one in shown
    )
    return Gate(
        name="fresher and not worse",
        passed=not worse,
        measured=f"{measured} ({len(judged) - len(worse)} of {len(judged)} groups not worse)",
        required=f"each interval above −{config.margin:.0%} of the champion",
        next_step="nothing, the champion stays; more users in the window ([retrain] test_days) "
        "narrow the intervals, or allow more with [promote] margin",
    )


def coverage_gate(coverage: float, config: PromoteConfig) -> Gate:
    """Whether more than a few hits reach the slates."""
    return Gate(
        name="coverage",
        passed=coverage >= config.min_coverage,
        measured=f"{coverage:.4f} of the videos",
        required=f"≥ {config.min_coverage:g}",
        next_step="it shows everybody the same few videos: look at the settings of the winner, or "
        "lower [promote] min_coverage",
    )


def latency_gates(latency: Latency, config: PromoteConfig) -> list[Gate]:
    """Whether an answer costs too much, by CPU time in turns; refused where that is proven.

    Args:
        latency: What was measured.
        config: The bounds.
    """
    floor = latency.over_floor(seed=config.seed, confidence=config.confidence)
    against = latency.slowdown(seed=config.seed, confidence=config.confidence)
    if against is None:
        found, limit, setting = floor, config.max_over_floor, "max_over_floor"
        measured = f"{floor} the floor's CPU time"
    else:
        found, limit, setting = against, config.max_slowdown, "max_slowdown"
        measured = f"{against} the champion's CPU time, {floor.value:.2f} × the floor's"
    gates = [
        Gate(
            name="cost of an answer",
            passed=found.low <= limit,
            measured=measured,
            required=f"not proven above {limit:g} ×",
            next_step="lower [ranker] candidates, or choose a smaller model; if it is worth that "
            f"much, raise [promote] {setting}",
        )
    ]
    if config.latency_limit_is_a_gate:
        gates.append(
            Gate(
                name="latency limit",
                passed=latency.challenger.p95_ms <= config.max_latency_ms,
                measured=f"p95 {latency.challenger.p95_ms:.1f} ms",
                required=f"≤ {config.max_latency_ms:g} ms",
                next_step="promote again when the machine has no other work "
                "(kinoloop promote --force), or set [promote] latency_limit_is_a_gate = false",
            )
        )
    return gates


def latency_warnings(latency: Latency, config: PromoteConfig) -> list[str]:
    """Warn of the absolute limit where it is not a gate; return nothing below it."""
    slow_ms = latency.challenger.p95_ms
    if config.latency_limit_is_a_gate or slow_ms <= config.max_latency_ms:
        return []
    return [
        f"p95 of an answer was {slow_ms:.1f} ms on this machine, over [promote] max_latency_ms = "
        f"{config.max_latency_ms:g}; other work on it counts in, so this is a warning."
    ]
