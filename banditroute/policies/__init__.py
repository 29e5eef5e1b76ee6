"""Policies: one file per algorithm; each policy returns probabilities."""

from banditroute.policies.base import Policy
from banditroute.policies.baselines.fixed import Fixed
from banditroute.policies.baselines.uniform import Uniform
from banditroute.policies.exploration import Exploration
from banditroute.policies.linear.epsilon_greedy import EpsilonGreedy
from banditroute.policies.linear.lints import LinTS
from banditroute.policies.linear.linucb import LinUCB

__all__ = ["EpsilonGreedy", "Exploration", "Fixed", "LinTS", "LinUCB", "Policy", "Uniform"]
