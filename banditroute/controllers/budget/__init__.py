"""Budgets: the price of what is scarce."""

from banditroute.controllers.budget.budget import Budget

__all__ = ["Budget"]
