from __future__ import annotations

import numpy as np
import pytest

from backend.core.reading import Float64, Int64, Readings
from backend.inventory.model import ModbusSource, PushSource, SocomecSource
from crawlers.simulators.backfill import history
from crawlers.simulators.faults import Faults, typical_faults
from crawlers.simulators.model import DataCentreModel
from tests.devices.support import NOW_NS, example, inventory, outlets, sensor

S = 10**9
DAY = 86_400 * S
MIDNIGHT = NOW_NS // DAY * DAY
EXAMPLE = example()
MODEL = DataCentreModel(EXAMPLE, 7)


def day(step_s: int = 300, days: int = 1) -> Int64:
    return np.arange(MIDNIGHT, MIDNIGHT + days * DAY, step_s * S)


def values_of(*names: str, times: Int64 | None = None) -> Float64:
    return MODEL.value(names, day() if times is None else times)


def test_the_same_seed_gives_the_same_values_in_whatever_order_and_company() -> None:
    other = DataCentreModel(EXAMPLE, 7)
    times = day(3_601)
    together = MODEL.value(MODEL.names, times)
    backwards = other.value(MODEL.names[::-1], times[::-1])[::-1, ::-1]
    assert (together == backwards).all()
    one_by_one = [
        other.value([name], times[i : i + 1])[0, 0] for i in (5, 0, 11) for name in MODEL.names[::37]
    ]
    assert one_by_one == [together[MODEL.names.index(n), i] for i in (5, 0, 11) for n in MODEL.names[::37]]


def test_another_seed_gives_another_data_centre() -> None:
    other = DataCentreModel(EXAMPLE, 8).value(MODEL.names, day(7_200))
    changed = (other != MODEL.value(MODEL.names, day(7_200))).any(axis=1)
    assert changed.mean() > 0.9


def test_all_values_are_finite() -> None:
    assert np.isfinite(MODEL.value(MODEL.names, day(900, days=2))).all()


def test_the_power_of_a_server_is_plausible_over_two_plugs() -> None:
    plugs = [n for n in MODEL.names if n.startswith("ecotype-1_pdu-")]
    assert len(plugs) == 2
    watts = values_of(*plugs, times=day(30))
    both = watts.sum(axis=0)
    assert (watts == np.rint(watts)).all()
    assert 70 < both.min() < 110 < 150 < both.max() < 260
    assert np.allclose(watts[0] / both, watts[0, 0] / both[0], atol=0.06)
    jobs = np.count_nonzero(np.abs(np.diff(both)) > 30)
    assert 4 < jobs < 150


def test_load_follows_the_day_and_the_feed_is_the_sum_of_the_plugs() -> None:
    plugs = [n for n in MODEL.names if "_pdu-" in n]
    load = values_of(*plugs, times=day(600, days=5)).sum(axis=0)
    hours = (day(600, days=5) // (3_600 * S)) % 24
    assert load[(hours >= 11) & (hours <= 15)].mean() > 1.1 * load[(hours >= 1) & (hours <= 4)].mean()
    feed = values_of("socomec_servers", times=day(600, days=5))[0]
    assert np.corrcoef(load, feed)[0, 1] > 0.98
    assert abs(feed.mean() / load.mean() - 1.012) < 0.02


def test_the_data_centre_has_a_believable_pue() -> None:
    tree = EXAMPLE.consumption
    total = values_of(*tree.leaves["datacenter"]).sum(axis=0)
    computing = values_of(*tree.leaves["hardware_cluster"]).sum(axis=0)
    pue = total / computing
    assert 1.2 < pue.min() <= pue.max() < 1.8


def test_the_air_is_warmer_behind_the_racks_and_warmer_with_load() -> None:
    def side(of: str) -> Float64:
        probes = [
            s.name
            for s in EXAMPLE.sensors.values()
            if isinstance(s.source, PushSource) and s.source.side == of and s.source.rack == "Z1.2"
        ]
        return values_of(*probes)

    front, back = side("front"), side("back")
    assert 18 < front.min() < front.max() < 28
    assert back.mean() > front.mean() + 5
    assert back.max() < 48
    near = next(p for p in EXAMPLE.probes if p.side == "back" and len(p.servers) == 1)
    plugs = [n for n in MODEL.names if n.startswith(f"{near.servers[0]}_pdu-")]
    times = day(60)
    load = values_of(*plugs, times=times).sum(axis=0)
    smooth = np.convolve(load, np.ones(20) / 20, "valid")
    warmth = values_of(near.sensor, times=times)[0][19:]
    assert np.corrcoef(smooth, warmth)[0, 1] > 0.7
    assert (np.abs(np.diff(warmth)) < 3).all()


def test_cooling_follows_heat_and_weather() -> None:
    times = day(900, days=6)
    heat, chiller, fan = values_of("inrow_cool_output", "socomec_condenser", "inrow_fan_speed", times=times)
    assert np.corrcoef(heat, chiller)[0, 1] > 0.6
    assert np.corrcoef(heat, fan)[0, 1] > 0.95
    supply, back, inlet = values_of(
        "inrow_air_supply_temperature",
        "inrow_air_return_temperature",
        "inrow_rack_inlet_temperature",
        times=times,
    )
    assert (supply < inlet).all()
    assert (inlet < back).all()
    states = np.unique(values_of("inrow_running", times=times))
    assert states.tolist() == [1.0]


def test_the_sun_makes_power_by_day_alone() -> None:
    sun, power, volts, amps = values_of(
        "weather_irradiance", "network1_power", "network1_string_a_voltage", "network1_string_a_current"
    )
    dark = sun == 0
    assert 0.3 < dark.mean() < 0.7
    assert (power[dark] == 0).all()
    assert (power >= 0).all()
    assert power.max() > 200
    assert np.allclose(2 * volts * amps, power, rtol=0.1, atol=30)
    energy = values_of("network1_energy", times=day(600, days=2))[0]
    assert (np.diff(energy) >= 0).all()
    energy_kwh = np.trapezoid(values_of("network1_power", times=day(60))[0], dx=60) / 3.6e6
    assert energy[144] - energy[0] == pytest.approx(energy_kwh, rel=0.03)


def test_the_battery_charges_by_day_and_empties_at_night_without_a_jump() -> None:
    times = day(60, days=4)
    charge, power, sun = values_of("battery1_charge", "battery1_power", "weather_irradiance", times=times)
    assert 5 < charge.min() < charge.max() < 97
    assert (np.abs(np.diff(charge)) < 0.25).all()
    assert power[sun > 150].max() < 0
    assert power[(sun == 0)].min() > -10
    moved = -np.concatenate(([0.0], np.cumsum((power[1:] + power[:-1]) / 2 * 60))) / 3_600 / 24_000 * 100
    assert np.abs(charge - charge[0] - moved).max() < 1.0


def test_values_join_at_midnight() -> None:
    around = np.arange(MIDNIGHT + DAY - 60 * S, MIDNIGHT + DAY + 60 * S, S)
    slow = [n for n, s in EXAMPLE.sensors.items() if s.unit in ("celsius", "%") and "wind" not in n]
    steps = np.abs(np.diff(MODEL.value(slow, around), axis=1))
    assert steps.max() < 1.3


def test_history_equals_the_readings_of_the_devices() -> None:
    start, stop = MIDNIGHT + 5 * 3_600 * S - 7 * S, MIDNIGHT + 5 * 3_600 * S + 95 * S
    chunks = list(history(EXAMPLE, MODEL, start, stop, chunk_ns=60 * S))
    assert len(chunks) == 3
    for chunk in chunks:
        assert list(chunk.names) == sorted(EXAMPLE.sensors)
        order = np.lexsort((chunk.times, chunk.codes))
        assert (order == np.arange(len(chunk))).all()
    rows = Readings.concat(chunks).by_sensor()
    assert set(rows) == set(EXAMPLE.sensors)
    for name, points in rows.items():
        period = round(EXAMPLE.sensors[name].poll_s * S)
        assert points.times.tolist() == list(range(-(-start // period) * period, stop, period))
        assert (points.values == MODEL.value([name], points.times)[0]).all()


def test_history_of_some_sensors_is_that_of_all() -> None:
    names = ["socomec_pumps", "ecotype-3_pdu-Z1.51"]
    [chunk] = history(EXAMPLE, MODEL, MIDNIGHT, MIDNIGHT + 60 * S, sensors=names)
    assert list(chunk.names) == sorted(names)
    assert len(chunk) == 120


def test_faults_are_one_silent_one_nan_and_one_late_probe() -> None:
    faults = typical_faults(EXAMPLE, 7, NOW_NS)
    assert (len(faults.silent), len(faults.nan), len(faults.late)) == (1, 1, 1)
    [(silent, since)], [broken] = faults.silent.items(), faults.nan
    assert since < NOW_NS
    model = DataCentreModel(EXAMPLE, 7, faults)
    rows = Readings.concat(list(history(EXAMPLE, model, since - 600 * S, since + 600 * S))).by_sensor()
    assert rows[silent].times.max() < since
    assert 60 < len(rows[broken]) < 110
    assert len(rows["socomec_pumps"]) == 1_200
    assert typical_faults(inventory(outlets(1, [1])), 7, NOW_NS) == Faults()


def test_a_sensor_without_a_rule_is_simulated() -> None:
    odd = [
        sensor("zork", ModbusSource("127.0.0.1", 1, "int16", divide_by=10), "furlong"),
        sensor("mains", ModbusSource("127.0.0.1", 2, "uint16"), "V"),
        sensor("kitchen", SocomecSource("127.0.0.1", 3, 1), "W"),
        sensor("bat1_volts", ModbusSource("127.0.0.1", 4, "float32"), "V"),
        sensor("probe", PushSource("A", "back", 3), "celsius", period_s=10.0),
        *outlets(16_161, range(1, 5)),
    ]
    model = DataCentreModel(inventory(odd), 3)
    got = dict(zip(model.names, model.value(model.names, day()), strict=True))
    assert all(np.isfinite(v).all() for v in got.values())
    assert 210 < got["mains"].mean() < 250
    assert 40 < got["bat1_volts"].mean() < 60
    assert 15 < got["probe"].mean() < 40
    assert 70 < got["ecotype-1_pdu-A"].mean() < 260
    assert got["zork"].std() > 0


def test_raw_numbers_are_what_registers_can_hold() -> None:
    times = day(3_600)
    for name, s in EXAMPLE.sensors.items():
        if isinstance(s.source, ModbusSource) and s.source.type != "float32":
            raw = MODEL.raw([name], times)
            assert (raw == np.rint(raw)).all()
            assert (MODEL.value([name], times) == raw * s.source.multiply_by / s.source.divide_by).all()
