"""Gymnasium's environments as the lab needs them: described, made, watched, isolated, examined and drawn."""

from pg_core.environments.faults import EnvironmentFault
from pg_core.environments.making import make, make_vector
from pg_core.environments.registration import UnsupportedEnvironmentError
from pg_core.environments.spaces import Array
from pg_core.environments.specs import EnvironmentSpec, describe

__all__ = [
    "Array",
    "EnvironmentFault",
    "EnvironmentSpec",
    "UnsupportedEnvironmentError",
    "describe",
    "make",
    "make_vector",
]
