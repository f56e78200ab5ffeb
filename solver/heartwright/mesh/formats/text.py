"""Text in mesh files: numbers and XML, refused where they are broken."""

import xml.etree.ElementTree as ElementTree

import numpy as np


def numbers(text: str, kind: type) -> np.ndarray:
    """The numbers of a text separated by white space; ValueError at the first that is none."""
    try:
        return np.array(text.split(), dtype=kind)
    except (ValueError, OverflowError) as reason:
        raise ValueError(f"not a number: {reason}") from None


def xml(text: bytes) -> ElementTree.Element:
    """The root of an XML text; ValueError where it is incomplete, or defines entities."""
    if b"<!ENTITY" in text:
        raise ValueError("defines XML entities; refused")
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - without entities there is nothing to expand
    except ElementTree.ParseError as reason:
        raise ValueError(f"is not complete XML: {reason}") from None
