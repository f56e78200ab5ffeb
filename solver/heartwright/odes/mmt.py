"""Myokit as we use it: imported without needing or leaving anything in the user's home, with our units."""

import contextlib
import os
import tempfile

from heartwright.units import MMHG

PREFERRED = ("kPa", "1/ms", "uL/ms", "kPa*ms/uL", "kPa*ms^2/uL", "uL/kPa", "kPa/uL", "mM", "mM/ms")


@contextlib.contextmanager
def _another_home():
    """Myokit makes a settings folder when it is imported: it fails where the home is read-only, and where two
    ranks import it at once for the first time."""
    home = os.environ.get("HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        try:
            yield
        finally:
            os.environ.pop("HOME")
            if home is not None:
                os.environ["HOME"] = home


with _another_home():
    import myokit
    import myokit.lib.hh as hh
    import myokit.lib.markov as markov

myokit.Unit.register("mmHg", myokit.parse_unit("kPa") * MMHG)
for text in PREFERRED:
    myokit.Unit.register_preferred_representation(text, myokit.parse_unit(text))

__all__ = ["hh", "markov", "myokit"]
