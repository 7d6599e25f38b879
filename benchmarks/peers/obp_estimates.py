"""Off-policy estimates of the Open Bandit Pipeline, for tests to compare ours with.

    pip install --no-deps --target PEER obp==0.4.1 seaborn
    PYTHONPATH=PEER python benchmarks/peers/obp_estimates.py tests/evaluation/obp_estimates.json

Knows nothing of Kinoloop: draws slates, and writes them with what obp says of each. Place by place
(its IPS, SNIPS, DR and DM know one), and IIPS of whole slates. What obp pins is older than what it
needs: with numpy, pandas, scikit-learn and torch of today it gives these numbers.
"""

import json
import sys
from pathlib import Path

import numpy as np
from obp.ope import (
    DirectMethod,
    DoublyRobust,
    InverseProbabilityWeighting,
    SelfNormalizedInverseProbabilityWeighting,
    SlateIndependentIPS,
)

ANSWERS, PLACES, VIDEOS = 120, 3, 6
PER_PLACE = {
    "ips": InverseProbabilityWeighting(),
    "snips": SelfNormalizedInverseProbabilityWeighting(),
    "dr": DoublyRobust(),
    "dm": DirectMethod(),
}


def main() -> None:
    """Draw, estimate, write."""
    rng = np.random.default_rng(11)
    shape = (ANSWERS, PLACES, VIDEOS)
    chances, wanted = (rng.dirichlet(np.full(VIDEOS, 1.0), shape[:2]) for _ in range(2))
    chances = np.maximum(chances, 0.01)
    q_hat = rng.uniform(0, 1, shape)
    shown = rng.integers(0, VIDEOS, shape[:2])
    rewards = rng.integers(0, 3, shape[:2]).astype(float)
    at = (*np.indices(shape[:2]), shown)
    found = dict.fromkeys(PER_PLACE, 0.0)
    for place in range(PLACES):
        given = {
            "reward": rewards[:, place],
            "action": shown[:, place],
            "position": np.full(ANSWERS, place),
            "pscore": chances[at][:, place],
            "action_dist": wanted.transpose(0, 2, 1),
            "estimated_rewards_by_reg_model": q_hat.transpose(0, 2, 1),
        }
        for name, estimator in PER_PLACE.items():
            found[name] += float(estimator.estimate_policy_value(**given))
    answers, places = (some.ravel() for some in np.indices(shape[:2]))
    iips = SlateIndependentIPS(len_list=PLACES).estimate_policy_value(
        slate_id=answers,
        reward=rewards.ravel(),
        position=places,
        pscore_item_position=chances[at].ravel(),
        evaluation_policy_pscore_item_position=wanted[at].ravel(),
    )
    columns = {
        "answers": answers,
        "places": places,
        "rewards": rewards.ravel(),
        "propensities": chances[at].ravel(),
        "targets": wanted[at].ravel(),
        "predicted": q_hat[at].ravel(),
        "expected": (wanted * q_hat).sum(axis=2).ravel(),
    }
    document = {
        "estimates": {**found, "iips": float(iips)},
        **{name: values.tolist() for name, values in columns.items()},
    }
    Path(sys.argv[1]).write_text(json.dumps(document) + "\n", encoding="utf-8")
    print(document["estimates"])


if __name__ == "__main__":
    main()
