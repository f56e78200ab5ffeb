"""Heartwright: cardiac electromechanics with the body attached."""

__version__ = "0.1.0"
