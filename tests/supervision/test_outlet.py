import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support import eventually

from intuition_core.supervision.outlet import Outlet


@contextmanager
def pipe(*, blocking: bool = True) -> Iterator[tuple[int, io.TextIOWrapper]]:
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        yield reading, stream


def read(descriptor: int, lines: int) -> list[str]:
    found = b""
    while found.count(b"\n") < lines:
        found += os.read(descriptor, 65536)
    return found.decode().splitlines()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_that_is_slow_has_every_line_in_order_and_nobody_waits_for_it(blocking: bool) -> None:
    told: list[str] = []
    with pipe(blocking=blocking) as (reading, stream):
        outlet = Outlet(stream, told=told.append)
        lines = [f"{n} {'x' * 100}" for n in range(5000)]
        for line in lines:
            outlet.write(f"{line}\n")  # half a megabyte, which no pipe holds
        eventually(lambda: told)
        assert "its reader takes nothing" in told[0]
        reader = threading.Thread(target=outlet.close)
        reader.start()
        assert read(reading, len(lines)) == lines
        reader.join()
        outlet.write("later\n")
        assert read(reading, 1) == ["later"]
        os.close(reading)
    assert len(told) == 1


def test_what_is_too_much_is_left_out_in_whole_lines_and_counted() -> None:
    told: list[str] = []
    with pipe() as (reading, stream):
        outlet = Outlet(stream, told=told.append, room=10_000)
        count = 3000
        for n in range(count):
            outlet.write(f"{n:05} {'x' * 93}\n")
        eventually(lambda: told)
        os.set_blocking(reading, False)
        content = b""

        def taken() -> bool:
            nonlocal content
            with suppress(BlockingIOError):
                content += os.read(reading, 65536)
            return len(told) == 2

        eventually(taken)
        os.close(reading)
    got = content.decode().splitlines()
    assert [int(line[:5]) for line in got] == list(range(len(got)))
    assert all(len(line) == 99 for line in got)
    assert told[1] == f"it takes lines again; {count - len(got):,} lines were left out"


def test_a_full_disk_is_told_and_what_was_kept_is_written_once_there_is_room(tmp_path: Path) -> None:
    file = tmp_path / "out"
    program = f"""
import resource, signal, sys, time
from intuition_core.supervision.outlet import Outlet
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
told = []
outlet = Outlet(open({str(file)!r}, "w"), told=told.append)
for n in range(10):
    outlet.write(f"line {{n}}\\n")
while not told:
    time.sleep(0.01)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
outlet.close()
print(told)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
    assert file.read_text() == "".join(f"line {n}\n" for n in range(10))


def test_a_reader_that_has_gone_is_no_error() -> None:
    with pipe() as (reading, stream):
        outlet = Outlet(stream)
        os.close(reading)
        for _ in range(3):
            outlet.write("line\n")
        outlet.close()


def test_an_encoding_that_lacks_a_character_ends_nothing() -> None:
    binary = io.BytesIO()
    outlet = Outlet(io.TextIOWrapper(binary, encoding="ascii"))
    outlet.write("z\u00fcrich\n")
    outlet.write("goog\n")
    assert binary.getvalue() == b"z\\u00fcrich\ngoog\n"


def test_a_stream_without_a_descriptor_that_fails_for_a_while_comes_back() -> None:
    told: list[str] = []

    class Full(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    stream = Full()
    outlet = Outlet(stream, told=told.append)
    outlet.write("a\n")
    outlet.write("b\n")
    stream.full = False
    outlet.write("c\n")
    assert stream.getvalue() == "c\n"
    assert told == [
        "No space left on device; what it does not take is left out",
        "it takes lines again; 2 lines were left out",
    ]
