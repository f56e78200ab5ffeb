"""Klotz: the end-diastolic pressure-volume relation of human left ventricles, from one measured point.

Volumes that hearts of many kinds and sizes have at a pressure fall on one curve once scaled between the volumes V0 at
0 and V30 at 30 mmHg (Klotz et al. 2006, doi:10.1152/ajpheart.01240.2005). From a volume V at a pressure p in mmHg:

    V0 = V (0.6 - 0.006 p),   V30 = V0 + (V - V0) / (p / 27.8)^(1 / 2.76)
    P(v) = α v^β,   β = ln(p / 30) / ln(V / V30),   α = 30 / V30^β
"""

import numpy as np

from heartwright.units import ML, MMHG

SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])  # of the imaged pressure at which a heart is compared
AN, BN = 27.8, 2.76  # mmHg and 1: the common curve, p = AN v^BN with v from 0 at V0 to about 1 at V30


def unloaded_volume(volume: float, pressure: float) -> float:
    """V0 of the ventricle that holds `volume` at a `pressure` in kPa; in the unit of `volume`."""
    return volume * (0.6 - 0.006 * pressure / MMHG)


def pressures(volumes: np.ndarray, volume: float, pressure: float) -> np.ndarray:
    """P (kPa) at `volumes` of the ventricle that holds `volume` at a `pressure` in kPa, which is not 30 mmHg."""
    p, V0 = pressure / MMHG, unloaded_volume(volume, pressure)
    V30 = V0 + (volume - V0) / (p / AN) ** (1 / BN)
    beta = np.log(p / 30) / np.log(volume / V30)
    return 30 * MMHG * (np.asarray(volumes) / V30) ** beta


def compared(p: np.ndarray, volumes: np.ndarray) -> list[str]:
    """Lines with a passive curve, pressures in kPa and volumes in uL, beside that of Klotz through its last point."""
    V0, others = unloaded_volume(volumes[-1], p[-1]), pressures(volumes, volumes[-1], p[-1])
    lines = [
        f"left ventricle at {at:4.1f} mmHg: {volume:5.1f} mL, by Klotz 2006 at {other:4.1f} mmHg"
        for at, volume, other in zip(p / MMHG, volumes / ML, others / MMHG, strict=True)
    ]
    return [*lines, f"left ventricle without load: {volumes[0] / ML:.1f} mL, by Klotz 2006 {V0 / ML:.1f} mL"]
