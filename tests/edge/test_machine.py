"""Readings of a machine that is made of files in a temporary folder."""

from pathlib import Path

from sensorium.ladder import Readings
from sensorium.machine import Machine


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content + "\n")
    return root


def zone(number: int, kind: str, temp: str) -> dict[str, str]:
    folder = f"sys/class/thermal/thermal_zone{number}"
    return {f"{folder}/type": kind, f"{folder}/temp": temp}


BATTERY = "sys/class/power_supply/BAT0"
LAPTOP = {
    **zone(0, "acpitz", "41000"),
    **zone(1, "x86_pkg_temp", "90000"),
    "proc/meminfo": "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB",
    f"{BATTERY}/type": "Battery",
    f"{BATTERY}/capacity": "40",
    f"{BATTERY}/status": "Discharging",
    "sys/class/power_supply/AC/type": "Mains",
    "sys/class/power_supply/AC/online": "0",
}


def test_a_laptop_tells_its_hottest_zone_its_memory_and_its_battery(tmp_path: Path) -> None:
    machine = Machine(write(tmp_path, LAPTOP))
    assert machine.read() == Readings(temperature_c=90.0, memory_free_mb=8192.0, battery=0.4, on_mains=False)
    write(tmp_path, {"sys/class/power_supply/AC/online": "1", "sys/class/thermal/thermal_zone1/temp": "45500"})
    assert machine.read() == Readings(temperature_c=45.5, memory_free_mb=8192.0, battery=0.4, on_mains=True)


def test_a_jetsons_zone_that_always_tells_100_degrees_is_no_temperature(tmp_path: Path) -> None:
    zones = {**zone(0, "CPU-therm", "52500"), **zone(1, "PMIC-Die", "100000"), **zone(2, "GPU-therm", "49000")}
    assert Machine(write(tmp_path, zones)).read().temperature_c == 52.5


def test_the_battery_of_a_mouse_is_not_the_machines(tmp_path: Path) -> None:
    mouse = "sys/class/power_supply/hidpp_battery_0"
    write(tmp_path, {f"{mouse}/type": "Battery", f"{mouse}/scope": "Device", f"{mouse}/capacity": "5"})
    assert Machine(tmp_path).read().battery is None


def test_strange_and_missing_files_are_no_readings(tmp_path: Path) -> None:
    assert Machine(tmp_path / "nowhere").read() == Readings()
    strange = {
        **zone(0, "off", "-274000"),
        **zone(1, "broken", "hot"),
        **zone(2, "on fire", "2000000"),
        "proc/meminfo": "MemAvailable:\nnothing",
        "proc/self/cgroup": "nonsense",
        f"{BATTERY}/type": "Battery",
        f"{BATTERY}/capacity": "",
    }
    write(tmp_path, strange)
    (tmp_path / "sys/class/thermal/thermal_zone3/temp").mkdir(parents=True)  # a folder in the place of a file
    (tmp_path / "sys/class/thermal/thermal_zone4").mkdir()
    (tmp_path / "sys/class/thermal/thermal_zone5").write_bytes(b"\xff\xfe")
    assert Machine(tmp_path).read() == Readings()


def test_a_file_that_goes_away_is_a_reading_that_is_not_there(tmp_path: Path) -> None:
    machine = Machine(write(tmp_path, zone(0, "cpu", "60000")))
    assert machine.read().temperature_c == 60.0
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").unlink()
    assert machine.read().temperature_c is None


def test_memory_is_what_the_tightest_limit_around_the_process_leaves(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/robot.slice"
    files = {
        "proc/meminfo": "MemAvailable:    8000000 kB",
        "proc/self/cgroup": "0::/robot.slice/sensorium.service",
        f"{group}/memory.max": "1000000000",
        f"{group}/memory.current": "900000000",
        f"{group}/memory.stat": "anon 700000000\ninactive_file 50000000\nactive_file 1",
        f"{group}/sensorium.service/memory.max": "max",
        f"{group}/sensorium.service/memory.current": "900000000",
    }
    assert Machine(write(tmp_path, files)).read().memory_free_mb == 150.0


def test_the_first_version_of_control_groups_and_a_path_of_the_host_are_read_too(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/memory"
    files = {
        "proc/meminfo": "MemAvailable:    8000000 kB",
        "proc/self/cgroup": "5:cpuset:/\n4:memory:/docker/abc\n0::/",
        f"{group}/memory.limit_in_bytes": "500000000",
        f"{group}/memory.usage_in_bytes": "420000000",
        f"{group}/memory.stat": "inactive_file 1\ntotal_inactive_file 20000000",
    }
    assert Machine(write(tmp_path, files)).read().memory_free_mb == 100.0


def test_what_there_is_to_read_is_looked_up_once_and_not_with_every_reading(tmp_path: Path) -> None:
    machine = Machine(write(tmp_path, LAPTOP))
    write(tmp_path, {**zone(2, "later", "99000"), f"{BATTERY}/type": "Mains", f"{BATTERY}/scope": "Device"})
    assert machine.read() == Readings(temperature_c=90.0, memory_free_mb=8192.0, battery=0.4, on_mains=False)
