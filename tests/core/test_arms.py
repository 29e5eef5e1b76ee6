"""Arms and prices at their boundaries."""

from decimal import Decimal

import pytest

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


def test_prices_per_token() -> None:
    assert Price.per_token(input="0.0000025", output=Decimal("0.00001")) == Price(input=2.5, output=10)
    assert Price.per_token(input=1.5e-07, output=6e-07) == Price(input=0.15, output=0.6)
    assert Price.per_token(input=0, output="0") == Price(input=0, output=0)
    refused(
        lambda usd: Price.per_token(input=usd, output=0), "price input = ", -1, "-1", "1 USD", NAN, INF, None, True
    )
    refused(lambda usd: Price.per_token(input=0, output=usd), "price output = ", "", [1])


def test_an_implausible_price_is_logged_with_its_likely_unit(caplog: pytest.LogCaptureFixture) -> None:
    for price in (1e-4, 0.15, 1e4, 0):
        Price(input=price, output=price)
    assert caplog.text == ""
    Price(input=2.5e-06, output=1)
    assert "price input = 2.5e-06 USD per million tokens is implausible; is it per token?" in caplog.text
    Price(input=1, output=20_000)
    assert "price output = 20000 USD per million tokens is implausible; is it per billion tokens?" in caplog.text
