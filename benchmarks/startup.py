"""What ``intuition list-plugins`` costs, against a reference of the same run.

Prints the whole process's time as a ratio to that of ``python -c "import click, rich.console"``, and what 200 plugin
distributions add to ``--json``. The runs alternate, so that a busy machine slows all of them; medians count.

Usage: python benchmarks/startup.py [ROUNDS]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGINS = 200
RATIO_GOAL = 2.5
EXTRA_GOAL_MS = 40.0

INTUITION = str(Path(sys.executable).with_name("intuition"))


def install(folder: Path, number: int) -> None:
    """Write the metadata of one plugin distribution, with the long description that real ones have."""
    info = folder / f"generated_{number}-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(f"[intuition.v1.algorithm]\ngenerated{number} = generated_{number}:A\n")
    headers = f"Metadata-Version: 2.4\nName: generated-{number}\nVersion: 1.0\nSummary: Generated plugin {number}\n"
    (info / "METADATA").write_text(headers + "Requires-Dist: intuition-core\n" * 5 + "\n" + "Description. " * 400)


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Run a program and give the time that it took."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> int:
    """Measure, print, and give the exit code: 1 where a goal is missed."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PLUGINS):
            install(Path(folder), number)
        many = plain | {"PYTHONPATH": folder}
        runs = {
            "reference": ([sys.executable, "-c", "import click, rich.console"], plain),
            "table": ([INTUITION, "list-plugins"], plain),
            "json": ([INTUITION, "list-plugins", "--json"], plain),
            "json with many": ([INTUITION, "list-plugins", "--json"], many),
        }
        times: dict[str, list[float]] = {name: [] for name in runs}
        for command, environment in runs.values():
            seconds(command, environment)  # compiles what has not been compiled yet
        for _ in range(rounds):
            for name, (command, environment) in runs.items():
                times[name].append(seconds(command, environment))
    median = {name: statistics.median(taken) for name, taken in times.items()}
    ratio = median["table"] / median["reference"]
    extra = statistics.median(
        1000 * (with_many - without) for with_many, without in zip(times["json with many"], times["json"], strict=True)
    )
    print(f"python -c 'import click, rich.console'    {1000 * median['reference']:6.0f} ms   reference")
    print(
        f"intuition list-plugins                    {1000 * median['table']:6.0f} ms   "
        f"{ratio:.2f} x reference   goal <= {RATIO_GOAL}"
    )
    print(
        f"intuition list-plugins --json             {1000 * median['json']:6.0f} ms   "
        f"{median['json'] / median['reference']:.2f} x reference"
    )
    print(
        f"intuition list-plugins --json, {PLUGINS} more   {1000 * median['json with many']:6.0f} ms   "
        f"{extra:.0f} ms more   goal <= {EXTRA_GOAL_MS:.0f} ms"
    )
    return int(ratio > RATIO_GOAL or extra > EXTRA_GOAL_MS)


if __name__ == "__main__":
    sys.exit(main())
