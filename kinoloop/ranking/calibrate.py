"""Probabilities that mean what they say: a map from logits, fitted on the validation window.

`temperature` stretches and shifts logits (two numbers; keeps the order, safe on little data);
`isotonic` fits any increasing step function (needs thousands of exposures).

Source: Platt, 1999; Guo et al., ICML 2017 (temperature); Zadrozny and Elkan, KDD 2002 (isotonic).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.sampling import evenly_spaced
from kinoloop.models.base import State

KNOTS = 200  # of the isotonic map that is kept


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 / (1 + e^−x) without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))))


def fit_calibration(
    logits: NDArray[np.floating],
    labels: NDArray[np.bool_],
    kind: Literal["temperature", "isotonic"],
) -> State:
    """Fit on logits and what happened.

    Returns:
        Arrays that `calibrate` takes: knots of an increasing map from logit to probability
        (isotonic), or scale and shift (temperature); the identity where only one label is there.
    """
    identity = {"calibration": np.array([1.0, 0.0])}
    if not labels.any() or labels.all():
        return identity
    if kind == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=1e-4, y_max=1 - 1e-4, out_of_bounds="clip")
        fitted.fit(logits.astype(np.float64), labels.astype(np.float64))
        x, y = fitted.X_thresholds_, fitted.y_thresholds_
        at = evenly_spaced(len(x), KNOTS)
        return {"calibration_logits": x[at], "calibration_probabilities": y[at]}
    from scipy.optimize import minimize

    happened = labels.astype(np.float64)

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = point[0] * logits + point[1]
        error = sigmoid(z) - happened
        slope = np.array([(error * logits).mean(), error.mean()])
        return float((np.logaddexp(0, z) - happened * z).mean()), slope

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return {"calibration": found if found[0] > 0 else identity["calibration"]}


def calibrate(logits: NDArray[np.floating], state: State) -> NDArray[np.float64]:
    """Probabilities, (n,)."""
    if "calibration" in state:
        scale, shift = state["calibration"]
        return sigmoid(scale * logits + shift)
    knots, values = state["calibration_logits"], state["calibration_probabilities"]
    return np.asarray(np.interp(logits, knots, values), dtype=np.float64)
