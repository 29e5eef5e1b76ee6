"""How we choose: one file an algorithm, each returns probabilities."""

from banditroute.policies.base import Policy
from banditroute.policies.epsilon_greedy import EpsilonGreedy
from banditroute.policies.exploration import Exploration
from banditroute.policies.fixed import Fixed
from banditroute.policies.lints import LinTS
from banditroute.policies.linucb import LinUCB
from banditroute.policies.uniform import Uniform

__all__ = ["EpsilonGreedy", "Exploration", "Fixed", "LinTS", "LinUCB", "Policy", "Uniform"]
