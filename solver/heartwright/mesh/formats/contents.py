"""Contents of a mesh file as it stands there: points, triangles and tetrahedra with whatever data they carry."""

from dataclasses import dataclass, field

import numpy as np

CORNERS = {"triangle": 3, "tetra": 4}


@dataclass
class Contents:
    """Points (n, 3) in the file's unit and simplices by kind, each row of `corners[kind]` with its row of `data[kind]`.

    Higher-order elements keep their corners only. `point_data` has values on the points, `labels` and `regions` names
    that the file gives to tags of triangles and of tetrahedra, `sets` names of sets of points (masks (n,)), `others`
    kinds that are left out.
    `ours`: the file is one that we wrote, in mm, and its labels are our names; `coordinates_of` as in RawMesh.
    """

    points: np.ndarray
    corners: dict[str, np.ndarray] = field(default_factory=dict)
    data: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    point_data: dict[str, np.ndarray] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    regions: dict[int, str] = field(default_factory=dict)
    sets: dict[str, np.ndarray] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    ours: bool = False
    coordinates_of: str = ""

    def __post_init__(self):
        self.points = np.asarray(self.points, dtype=float)
        if self.points.ndim != 2 or self.points.shape[1] not in (2, 3):
            raise ValueError(f"points with coordinates of shape {self.points.shape}")
        if self.points.shape[1] == 2:
            self.points = np.column_stack([self.points, np.zeros(len(self.points))])
        for kind, n in CORNERS.items():
            self.corners.setdefault(kind, np.zeros((0, n), dtype=np.int64))
            self.data.setdefault(kind, {})

    def add(self, kind: str, corners: np.ndarray, data: dict[str, np.ndarray] | None = None) -> None:
        """Append simplices (k, >= corners of the kind) with values (k, ...) each; fields a row lacks are 0 there."""
        corners = np.asarray(corners).astype(np.int64)[:, : CORNERS[kind]]
        have, new = self.data[kind], data or {}
        before, n = len(self.corners[kind]), len(corners)
        for name, values in new.items():
            if len(values) != n:
                raise ValueError(f"field '{name}' has {len(values)} values for {n} cells")
        for name in have.keys() | new.keys():
            like = have[name] if name in have else new[name]
            have[name] = np.concatenate([have.get(name, _blank(like, before)), new.get(name, _blank(like, n))])
        self.corners[kind] = np.vstack([self.corners[kind], corners])

    def join(self, other: "Contents") -> None:
        """Add the simplices and data of another file about the same points; ValueError where they differ."""
        if len(other.points) != len(self.points):
            raise ValueError(f"has {len(other.points)} points, not {len(self.points)}")
        far = np.abs(other.points - self.points).max(axis=1) > 1e-6 * np.ptp(self.points, axis=0).max()
        if far.any():
            raise ValueError(f"has other points ({far.sum()} differ, the first is point {int(np.argmax(far)) + 1})")
        for kind in CORNERS:
            same = np.array_equal(other.corners[kind], self.corners[kind]) and len(self.corners[kind])
            if same:
                self.data[kind] |= other.data[kind]
            else:
                self.add(kind, other.corners[kind], other.data[kind])
        self.point_data |= other.point_data
        self.labels |= other.labels
        self.regions |= other.regions
        self.sets |= other.sets


def _blank(like: np.ndarray, n: int) -> np.ndarray:
    return np.zeros((n, *like.shape[1:]), dtype=like.dtype)
