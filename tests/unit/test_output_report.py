"""The report: one page that needs nothing beside itself, with every picture also on its own."""

import base64
import html.parser
import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from cup import cup
from heartwright.errors import InputError
from heartwright.output import metrics, pictures, report, runfile
from heartwright.output.fields import Fields
from heartwright.output.series import Series
from heartwright.parts import Rows

PNG = b"\x89PNG\r\n\x1a\n"
CITE = ["land_2017: doi:10.1016/j.yjmcc.2017.03.008"]
UNITS = {"time": "ms", "lv_pressure": "mmHg", "lv_volume": "mL", "rv_pressure": "mmHg", "rv_volume": "mL"}
UNITS |= {"la_pressure": "mmHg", "arterial_pressure": "mmHg", "flow_aortic": "mL/s", "flow_mitral": "mL/s"}
UNITS |= {f"lv_{name}_stretch": "1" for name in ("radial", "circumferential", "longitudinal", "thickness")}
UNITS |= {"lv_twist": "deg", "lv_slice_distance": "mm"}
UNITS |= {f"valve_{valve}": "1" for valve in ("mitral", "aortic", "tricuspid", "pulmonary")}
UNITS |= {"blood_volume": "mL", "cavity_error": "1"} | {f"ecg_{lead}": "mV" for lead in ("I", "II", "V1", "V2")}


def row(t: float, weakness: float) -> dict[str, float]:
    """A beat of 600 ms drawn by hand: a bell of pressure, ejection while it is high, an R wave at 60 ms."""
    squeeze = (1 - weakness) * np.sin(np.pi * np.clip((t - 80) / 300, 0, 1)) ** 2
    found = dict.fromkeys(UNITS, 0.0) | {"time": t, "blood_volume": 5000.0}
    found |= {"lv_pressure": 8 + 112 * squeeze, "lv_volume": 130 - 70 * squeeze, "la_pressure": 8 + 2 * squeeze}
    found |= {"rv_pressure": 4 + 20 * squeeze, "rv_volume": 140 - 75 * squeeze, "arterial_pressure": 80 + 35 * squeeze}
    found |= {"flow_aortic": 300 * squeeze, "valve_aortic": float(150 < t < 230), "valve_mitral": float(squeeze < 0.1)}
    found |= {"lv_radial_stretch": 1.2 + 0.5 * squeeze, "lv_thickness_stretch": 1.2 + 0.36 * squeeze}
    found |= {"lv_circumferential_stretch": 1.25 - 0.25 * squeeze, "lv_longitudinal_stretch": 1.0 - 0.2 * squeeze}
    found |= {"lv_twist": 2.0 + 15.0 * squeeze, "lv_slice_distance": 50.0}
    return found | {f"ecg_{lead}": np.exp(-(((t - 60) / 10) ** 2)) for lead in ("I", "II", "V1", "V2")}


def segments_row(t: float) -> dict[str, float]:
    """The same beat by segment: the apical ones shorten more; segment 17 has no cells."""
    squeeze = np.sin(np.pi * np.clip((t - 80) / 300, 0, 1)) ** 2
    found = {"time": t}
    for k in range(1, 17):
        for name, change in (
            ("radial", 0.4),
            ("circumferential", -0.01 * k),
            ("longitudinal", -0.2),
            ("thickness", 0.3),
        ):
            found[f"{name}_stretch_{k}"] = 1.0 + change * squeeze
        for p in (50, 95, 99):
            found |= {f"fibre_stress_p{p}_{k}": 2.0 + p * squeeze, f"cross_fibre_stress_p{p}_{k}": 1.0 + squeeze}
        found[f"power_{k}"] = 10.0 * k if 80 < t < 380 else 0.0
    return found


def fabricate(folder: Path, weakness: float = 0.0, with_fields: bool = True) -> Path:
    """What a finished run leaves behind."""
    folder.mkdir(parents=True)
    trace = Series(folder / "series.csv", UNITS)
    for t in range(0, 601, 2):
        trace.write(row(float(t), weakness))
    trace.close()
    by_segment = Series(folder / "segments.csv", dict.fromkeys(segments_row(0.0), "1") | {"time": "ms"})
    for t in range(0, 601, 10):
        by_segment.write(segments_row(float(t)))
    by_segment.close()
    if with_fields:
        write_fields(folder)
    runfile.write(
        folder, outcome="done", exit_code=0, message="", ranks=2, inputs=[], dofs={"tissue": 100, "solid": 300},
        wall_s=12.3, phases={"solid": 10.0}, period=600.0, facts={"steps": 600, "retries": 0}, cite=CITE,
    )  # fmt: skip
    return folder


def write_fields(folder: Path) -> None:
    raw = cup()
    kinds = {"v": 1, "u": 3, "activation": 1, "active_tension": 1}
    fibres = {"f0": np.tile([1.0, 0.0, 0.0], (len(raw.cells), 1))}
    numbers = Rows(np.arange(len(raw.points)))
    fields = Fields(folder / "fields", MPI.COMM_SELF, raw.points, numbers, raw.cells, kinds, fibres, 3, np.eye(3))
    middle, n = raw.points.mean(axis=0), len(raw.points)
    for t, squeeze in ((0.0, 0.0), (230.0, 0.2), (600.0, 0.0)):
        arrived = np.linalg.norm(raw.points - raw.points[0], axis=1)
        values = {"v": np.full(n, -80.0), "u": -squeeze * (raw.points - middle), "activation": arrived}
        fields.write(t, values | {"active_tension": np.full(n, 200 * squeeze)})
    fields.close()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> Path:
    folder = fabricate(tmp_path_factory.mktemp("runs") / "healthy", with_fields=False)
    report.write(folder)
    return folder


class Page(html.parser.HTMLParser):
    """The text of a page, its images, and everything it refers to."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, path: Path):
        super().__init__()
        self.text, self.references, self.open = "", [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.references += [value for name, value in attributes if name in ("src", "href", "data", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    @property
    def images(self) -> list[bytes]:
        return [base64.b64decode(image.partition("base64,")[2]) for image in self.references]


def self_contained(path: Path) -> Page:
    page = Page(path)
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert all(image.startswith(PNG) and len(image) > 5000 for image in page.images)
    assert not re.search(r"https?://|@import|url\(", path.read_text(encoding="utf-8"))
    return page


def test_the_page_holds_all_it_shows(healthy):
    page = self_contained(healthy / "report.html")
    for words in ("healthy", "Wiggers diagram", "Pressure–volume loops", "ECG", "LV ejection fraction", CITE[0]):
        assert words in page.text
    assert re.search(r"LV end-diastolic volume\s*130\.0\s*mL\s*100–180", page.text)
    assert "not a medical device" in page.text


def test_every_picture_of_the_page_is_also_a_file(healthy):
    page = Page(healthy / "report.html")
    files = sorted(path.name for path in (healthy / "plots").glob("*.png"))
    assert files == ["ecg.png", "pv_loops.png", "segments.png", "strain.png", "wiggers.png"]
    assert sorted(page.images) == sorted((healthy / "plots" / name).read_bytes() for name in files)


def test_two_runs_are_compared_on_one_page(healthy, tmp_path):
    weak = fabricate(tmp_path / "weak", weakness=0.3, with_fields=False)
    page = self_contained(report.compare(healthy, weak, tmp_path / "compare.html"))
    assert "healthy against weak" in page.text
    assert re.search(r"LV peak pressure\s*120\.0\s*86\.4\s*mmHg\s*-28\.0 %", page.text)
    assert len(page.images) == 3


def test_names_of_runs_cannot_become_markup(tmp_path):
    folder = fabricate(tmp_path / "a<script>b", with_fields=False)
    report.write(folder)
    assert "<script" not in (folder / "report.html").read_text()


def test_a_run_that_only_began_has_a_report_with_what_there_is(tmp_path):
    folder = fabricate(tmp_path / "short", with_fields=False)
    lines = (folder / "series.csv").read_text().splitlines(keepends=True)
    (folder / "series.csv").write_text("".join(lines[:3]))
    runfile.write(
        folder, outcome="running", exit_code=None, message="", ranks=1, inputs=[], dofs={}, wall_s=1.0,
        phases={}, period=600.0, facts={"steps": 1, "retries": 0}, cite=[],
    )  # fmt: skip
    assert json.loads((folder / "run.json").read_text())["metrics"]["qrs"]["value"] is None
    report.write(folder)
    assert re.search(r"QRS duration\s*–", Page(folder / "report.html").text)


@pytest.mark.parametrize("lost", ["run.json", "series.csv"])
def test_a_folder_without_a_run_is_refused(healthy, tmp_path, lost):
    folder = Path(shutil.copytree(healthy, tmp_path / "run"))
    (folder / lost).unlink()
    with pytest.raises(InputError, match="no finished run here"):
        report.write(folder)


def test_where_nothing_can_be_drawn_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(pictures.shutil, "which", lambda name: None)
    folder = fabricate(tmp_path / "run")
    report.write(folder)
    assert "No 3D pictures: see plots/pictures.log." in Page(folder / "report.html").text
    assert "xvfb-run was not found" in (folder / "plots" / "pictures.log").read_text()


def test_the_heart_is_drawn_and_put_on_the_page(tmp_path):
    pytest.importorskip("pyvista")
    if shutil.which("xvfb-run") is None:
        pytest.skip("xvfb-run is not installed: nothing can be drawn without a display")
    folder = fabricate(tmp_path / "run")
    report.write(folder)
    drawn = [pictures.activation_path(folder), pictures.beat_path(folder)]
    assert all(path.read_bytes().startswith(PNG) for path in drawn), (folder / "plots" / "pictures.log").read_text()
    page = self_contained(folder / "report.html")
    assert "End-diastole and end-systole" in page.text and len(page.images) == 7


def test_the_xdmf_is_well_formed(tmp_path):
    folder = fabricate(tmp_path / "run")
    grids = list(ElementTree.parse(folder / "fields.xdmf").iter("Time"))
    assert [float(grid.get("Value")) for grid in grids] == [0.0, 230.0, 600.0]


def test_numbers_are_those_of_the_beat(healthy):
    found = json.loads((healthy / "run.json").read_text())["metrics"]
    assert found["lv_ef"]["value"] == pytest.approx(100 * 70 / 130)
    # steepest slope of 112 sin^2(pi x / 300 ms) mmHg is 112 pi / 300 mmHg/ms
    assert found["lv_dpdt_max"]["value"] == pytest.approx(112e3 * np.pi / 300, rel=1e-3)
    assert found["volume_error"]["value"] == 0
    # the slope of exp(-x^2 / 10^2 ms^2) exceeds 5 % of its largest between x = +-21.4 ms; rows are 2 ms apart
    assert 43 - 4 <= found["qrs"]["value"] <= 43


def test_strains_are_those_from_end_diastole_to_end_systole(healthy):
    found = json.loads((healthy / "run.json").read_text())["metrics"]
    wanted = {
        "gls": -20.0,
        "gcs": -20.0,
        "grs": 100 * 0.5 / 1.2,
        "wall_thickening": 30.0,
        "twist": 15.0,
        "torsion": 3.0,
    }
    for name, value in wanted.items():
        assert found[name]["value"] == pytest.approx(value), name
    assert re.search(r"LV longitudinal strain \(GLS\)\s*-20\.0\s*%\s*-22 to -18", Page(healthy / "report.html").text)


def test_segments_are_told_one_by_one(healthy):
    found = json.loads((healthy / "run.json").read_text())["segments"]
    assert found["longitudinal_strain"]["unit"] == "%"
    assert found["longitudinal_strain"]["values"] == pytest.approx({str(k): -20.0 for k in range(1, 17)})
    assert found["circumferential_strain"]["values"]["16"] == pytest.approx(-16.0)
    assert found["fibre_stress_p95_ed"]["values"]["3"] == pytest.approx(2.0)
    assert found["fibre_stress_p95_es"]["values"]["3"] == pytest.approx(97.0)
    # 300 ms of 10 k mW/mL, whose first and last row are nought
    assert found["work"] == {"unit": "mJ/mL", "values": pytest.approx({str(k): 2.9 * k for k in range(1, 17)})}


def test_the_order_of_valve_events_and_isovolumic_drift_are_read_from_traces():
    t = np.arange(10.0)
    closed, open_ = np.zeros(10), np.array([1, 1, 0, 0, 0, 0, 0, 0, 1, 1.0])
    aortic = np.array([0, 0, 0, 0, 1, 1, 0, 0, 0, 0.0])
    volume = np.array([100, 110, 120, 120.1, 110, 80, 80, 80.02, 80, 90])
    trace = {"time": t, "valve_mitral": open_, "valve_aortic": aortic, "lv_volume": volume}
    assert metrics.valve_order(trace) == ["mitral closes", "aortic opens", "aortic closes", "mitral opens"]
    assert metrics.isovolumic_drift(trace) == pytest.approx(0.1)
    assert metrics.isovolumic_drift(trace | {"valve_mitral": closed + 1}) == 0.0
