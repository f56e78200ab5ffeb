"""Every passive law that a scenario can name, with its defaults."""

from typing import get_args

from heartwright.mechanics.passive import Passive

LAWS = [law() for law in get_args(get_args(Passive)[0])]
