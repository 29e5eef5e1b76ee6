"""The account: charges, bills and what is saved."""

from banditroute.controllers.budget.account import OPEN_CHARGES, Account, Charge
from banditroute.controllers.budget.allowance import SAVED_SHARE, Allowance


def test_a_bill_replaces_what_was_expected_and_an_amended_bill_the_first() -> None:
    account = Account([Allowance.of("usd_per_request", 1.0)], patience=100)
    account.charge(b"x", Charge("a", 1.0, (5.0,)), elapsed_s=0.0)
    assert (account.balance, account.spent) == ([-4.0], [5.0])
    account.bill(b"x", {0: 2.0})
    account.bill(b"x", {0: 3.0})
    assert (account.balance, account.spent) == ([-2.0], [3.0])


def test_what_is_saved_is_bounded() -> None:
    account = Account([Allowance.of("usd_per_request", 1.0)], patience=80)
    for number in range(300):
        account.charge(number.to_bytes(2, "big"), Charge("a", 1.0, (0.0,)), elapsed_s=0.0)
    assert account.balance == [SAVED_SHARE * 80]


def test_charges_are_forgotten_in_the_end() -> None:
    account = Account([Allowance.of("usd_per_request", 1.0)], patience=80)
    for number in range(OPEN_CHARGES + 1):
        account.charge(number.to_bytes(2, "big"), Charge("a", 1.0, (1.0,)), elapsed_s=0.0)
    assert account.find((0).to_bytes(2, "big")) is None
    assert account.find((1).to_bytes(2, "big")) is not None
