"""Keep a conversation with its model while a change would cost more than it gains.

Run it with ``python -m examples.keep_sessions``.
"""

from banditroute import Arm, LinUCB, Objective, Price, Router
from banditroute.controllers import PromptCache, Session

OBJECTIVES = [Objective("quality"), Objective("cost_usd", goal="min", scale=0.05)]
ARMS = [Arm("small", price=Price(input=0.15, output=0.60)), Arm("large", price=Price(input=2.50, output=10.00))]
EASY, HARD = [0.0], [1.0]


def main() -> None:
    """Learn that hard requests need the large model, then route one conversation."""
    # A cached prompt token of the large model is 2.25 USD per million cheaper than a new one.
    session = Session(PromptCache({"small": 0.075, "large": 2.25}))
    preferences = {"quality": 1.0, "cost_usd": 1.0}
    policy = LinUCB(alpha=0.5, ridge=1.0)
    with Router(
        "chat", arms=ARMS, objectives=OBJECTIVES, policy=policy, preferences=preferences, controllers=[session]
    ) as router:
        for number in range(600):
            hard = number % 2
            decision = router.route(HARD if hard else EASY, prompt_tokens=500)
            quality = 0.9 if decision.arm == "large" else 0.89 - 0.5 * hard
            router.feedback(decision.id, quality=quality)
            router.feedback(decision.id, prompt_tokens=500, output_tokens=200)

        history_tokens = 8_000
        first = router.route(HARD, session="s1", prompt_tokens=history_tokens, key="first")
        router.feedback(first.id, prompt_tokens=history_tokens, output_tokens=500)
        second = router.route(EASY, session="s1", prompt_tokens=history_tokens + 600)
        print(f"a hard question: {first.arm} ({first.mode})")
        print(f"an easy one next: {second.arm} ({second.mode})")
        switch_cost = second.effects["session"]["switch_cost"]["small"]
        print(f"leaving it would bill {history_tokens + 500} tokens again, worth {switch_cost:.3f} of utility")
        print(f"the same without a session: {router.route(EASY, key='alone').arm}")


if __name__ == "__main__":
    main()
