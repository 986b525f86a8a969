import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow
import pyarrow.parquet as pq
import pytest

ALLOWED = 64
"""How much memory reading may take, in MiB; the files are larger."""

CODE = """
import sys
from pathlib import Path
from intuition_source_files import Csv, Parquet

def read(path):
    source = {"csv": Csv, "parquet": Parquet}[path.rpartition(".")[2]]()
    source.initialize(source.Params(path=path))
    return sum(map(len, source.batches()))

def peak():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024

small, large = sys.argv[1:]
read(small)
before = peak()
print(read(large), peak() - before)
"""


@pytest.mark.parametrize(("ending", "rows"), [("parquet", 5_000_000), ("csv", 2_500_000)])
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path, ending: str, rows: int) -> None:
    small, large = tmp_path / f"small.{ending}", tmp_path / f"large.{ending}"
    prices = np.random.default_rng(1).random(rows) + 1
    table = pa.table({"time": np.arange(rows) + 10**9, "price": prices})
    for path, part in ((small, table.slice(0, 1000)), (large, table)):
        if ending == "csv":
            arrow.write_csv(part, path)
        else:  # one row group that is as large as the file
            pq.write_table(part, path, row_group_size=rows, use_dictionary=False, compression="none")
    assert large.stat().st_size > ALLOWED * 2**20
    done = subprocess.run(
        [sys.executable, "-c", CODE, small, large], capture_output=True, text=True, check=True, timeout=100
    )
    read, grown = map(int, done.stdout.split())
    assert read == rows
    assert grown < ALLOWED
