"""Markov chains keep their total probability: one state of each is computed as 1 minus the others."""

import numpy as np

from heartwright.odes.mmt import markov, myokit


def close_chains(source: myokit.Model) -> myokit.Model:
    """A copy of `source` without the redundant state of every Markov chain.

    Written with all its states, the sum of a chain is constant only in exact arithmetic: a scheme that treats states
    one by one lets it drift (0.1 % per beat for the rapid potassium channel of ToR-ORd). The state with the largest
    initial value goes, because its own relative error matters least.
    """
    source = source.clone()
    for chain in markov.find_markov_models(source):
        if all(state.is_state() for state in chain) and _is_closed(chain):
            redundant = max(chain, key=lambda state: state.initial_value(as_float=True))
            others = [state.qname() for state in chain if state is not redundant]
            redundant.demote()
            redundant.set_rhs(" - ".join(["1", *others]))
    source.validate()
    return source


def _is_closed(chain: list[myokit.Variable]) -> bool:
    """Whether the states start as probabilities and their rates add up to nothing, whatever the numbers in them are."""
    start = [state.initial_value(as_float=True) for state in chain]
    if abs(sum(start) - 1) > 1e-3 or min(start) < 0:
        return False
    equations = [state.rhs() for state in chain]
    references = sorted(set().union(*(equation.references() for equation in equations)), key=str)
    numbers = np.random.default_rng(0).uniform(0.5, 2, len(references))
    values = {reference: myokit.Number(number) for reference, number in zip(references, numbers, strict=True)}
    rates = [equation.clone(subst=values).eval() for equation in equations]
    return abs(sum(rates)) <= 1e-12 * sum(abs(rate) for rate in rates)
