"""Arms and prices at their boundaries."""

from banditroute.core.arms import MAX_TOKENS, Arm, Price
from tests.core.refusals import INF, NAN, refused


def test_arms_and_prices() -> None:
    assert Arm("x" * 200, max_output_tokens=MAX_TOKENS).name == "x" * 200
    assert Arm("x", max_output_tokens=1, prior={"quality": 1}).prior == {"quality": 1.0}
    refused(Arm, "must be 1 to 200 printable characters", "", "x" * 201, "a\nb", None)
    refused(lambda n: Arm("x", max_output_tokens=n), "must be an integer from 1 to", 0, MAX_TOKENS + 1, True, 1.0)
    refused(lambda price: Arm("x", price=price), "must be a Price, got float", 0.1)
    refused(lambda prior: Arm("x", prior=prior), "must map objectives to values", [1.0])
    refused(lambda value: Arm("x", prior={"quality": value}), "prior 'quality'", NAN, INF, "1", None)
    assert type(Price(input=1, output=2).input) is float
    assert Price(input=0, output=1e-9).cost_usd(prompt_tokens=2_000_000, output_tokens=3_000_000) == 3e-9
    refused(lambda usd: Price(input=usd, output=1), "price input = ", -1, 1e-30, 1e30, NAN, "1")
    refused(lambda usd: Price(input=1, output=usd), "price output = ", -1, 1e-30, 1e30, NAN, "1")


def test_the_largest_and_the_smallest_price() -> None:
    for usd in (1e-9, 1e9):
        assert (Price(input=usd, output=usd).input, Price(input=0, output=usd).output) == (usd, usd)
