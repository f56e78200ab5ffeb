"""Series and metrics: rows survive a crash, and a beat's numbers are what its curves say."""

import numpy as np
import pytest

from heartwright.errors import StorageError
from heartwright.output import metrics
from heartwright.output.series import Series, header, read


def test_rows_are_on_disk_at_once_with_all_digits(tmp_path):
    path = tmp_path / "series.csv"
    series = Series(path, {"time": "ms", "lv_pressure": "mmHg"})
    series.write({"time": 1.0, "lv_pressure": 1 / 3})
    assert header(path) == {"time": "ms", "lv_pressure": "mmHg"}
    assert read(path)["lv_pressure"][0] == 1 / 3
    series.close()


def test_a_row_cut_short_is_passed_over_and_removed_on_restart(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("time [ms],p [mmHg]\n1.0,5.0\n2.0,6.0\n3.0,7.", encoding="utf-8")
    np.testing.assert_array_equal(read(path)["time"], [1.0, 2.0])
    series = Series(path, {"time": "ms", "p": "mmHg"})
    series.truncate(1.0)
    series.write({"time": 2.0, "p": 9.0})
    series.close()
    np.testing.assert_array_equal(read(path)["p"], [5.0, 9.0])


def test_other_columns_are_refused(tmp_path):
    Series(tmp_path / "series.csv", {"time": "ms"}).close()
    with pytest.raises(StorageError, match="other columns"):
        Series(tmp_path / "series.csv", {"time": "ms", "p": "mmHg"})


def elliptic_beat(period=800.0):
    """A loop whose numbers are known: V = 90 + 40 cos, p = 60 - 60 sin (counter-clockwise in the p-V plane)."""
    t = np.arange(0.0, period + 1)
    phase = 2 * np.pi * t / period
    return {"time": t, "lv_volume": 90 + 40 * np.cos(phase), "lv_pressure": 60 + 60 * np.sin(phase)}


def test_metrics_of_a_known_loop():
    found = metrics.of_last_beat(elliptic_beat(), 800.0)
    assert found["lv_edv"]["value"] == pytest.approx(130)
    assert found["lv_ef"]["value"] == pytest.approx(100 * 80 / 130)
    # dp/dt = 60 * 2 pi / 0.8 s at its steepest; central differences at 1 ms err by (2 pi / 800)^2 / 6
    assert found["lv_dpdt_max"]["value"] == pytest.approx(60 * 2 * np.pi / 0.8, rel=1e-4)
    # area of the ellipse pi * 40 * 60 mmHg mL, in J; the polygon of 800 points misses 1e-5 of it
    assert found["lv_stroke_work"]["value"] == pytest.approx(np.pi * 40 * 60 * 1.33322387415e-4, rel=1e-4)


def test_valve_events_come_in_their_order_and_drift_is_seen_only_between_them():
    t = np.arange(6.0)
    series = {
        "time": t,
        "valve_mitral": np.array([1, 0, 0, 0, 0, 1.0]),
        "valve_aortic": np.array([0, 0, 1, 1, 0, 0.0]),
        "lv_volume": np.array([120, 120, 90, 60, 60.05, 70.0]),
    }
    assert metrics.valve_order(series) == ["mitral closes", "aortic opens", "aortic closes", "mitral opens"]
    assert metrics.isovolumic_drift(series) == pytest.approx(0.0)
