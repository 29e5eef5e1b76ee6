"""Budgets: shadow prices of scarce resources."""

from banditroute.controllers.budget.budget import Budget

__all__ = ["Budget"]
