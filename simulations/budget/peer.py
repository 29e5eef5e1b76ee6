"""ParetoBandit itself on the same streams: ``python peer.py TASK.npz RESULT.npz``.

It is run by an interpreter that has ``paretobandit==0.1.1``, and imports nothing of ours. Its own defaults: alpha
.01 and priors worth 1,163.9 requests where it starts warm, alpha .05 and none where cold; forgetting .997, no
static penalty, the pacer in its default mode. The priors are made of the validation rows, as its authors make them
of a training split that the package does not hold.
"""

import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

MODELS = {
    "meta-llama/llama-3.1-8b-instruct": (0.1, 0.1),
    "mistralai/mistral-large-2512": (0.5, 1.5),
    "google/gemini-2.5-pro": (1.25, 10.0),
}


def _priors(X: Any, quality: Any, path: Path) -> None:
    """Ridge sums of every model over all validation rows."""
    import joblib  # type: ignore[import-not-found, import-untyped, unused-ignore]

    A = {model: X.T @ X + np.eye(X.shape[1]) for model in MODELS}
    b = {model: X.T @ quality[:, place] for place, model in enumerate(MODELS)}
    joblib.dump({"A": A, "b": b}, path)


def main(task: str, result: str) -> None:
    """Play every (start, budget, seed)."""
    from pareto_bandit.budget_pacer import BudgetPacer  # type: ignore[import-not-found, unused-ignore]
    from pareto_bandit.feature_service import FeatureService  # type: ignore[import-not-found, unused-ignore]
    from pareto_bandit.router import BanditRouter  # type: ignore[import-not-found, unused-ignore]

    logging.disable(logging.ERROR)
    data = np.load(task)
    X = np.column_stack([data["X"], np.ones(len(data["X"]))])
    history = np.column_stack([data["history_X"], np.ones(len(data["history_X"]))])
    names = list(MODELS)
    registry = {
        model: {"input_cost_per_m": prompt, "output_cost_per_m": output}
        for model, (prompt, output) in MODELS.items()
    }
    quality, usd = (np.empty((2, len(data["budgets"]), len(data["orders"]))) for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "priors.joblib"
        _priors(history, data["history_quality"], path)
        for start, (priors, alpha) in enumerate(((str(path), 0.01), ("none", 0.05))):
            for i, budget in enumerate(data["budgets"]):
                for j, order in enumerate(data["orders"]):
                    router = BanditRouter.create(
                        model_registry=registry,
                        feature_service=FeatureService.for_precomputed(X.shape[1]),
                        priors=priors,
                        alpha=alpha,
                        cost_penalty=0.0,
                        bandit_seed=j,
                        budget_pacer=BudgetPacer(float(budget)),
                    )
                    earned, paid = [], []
                    for row in order:
                        model, log = router.route(X[row])
                        place = names.index(model)
                        log.cost_usd = float(data["usd"][row, place])
                        router.process_feedback(log.request_id, reward=float(data["quality"][row, place]))
                        earned.append(data["quality"][row, place])
                        paid.append(data["usd"][row, place])
                    quality[start, i, j], usd[start, i, j] = np.mean(earned), np.mean(paid)
    np.savez(result, quality=quality, usd=usd)


if __name__ == "__main__":
    main(*sys.argv[1:])
