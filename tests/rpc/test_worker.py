import queue
import threading

import gevent
import pytest

from intuition_core.rpc.worker import Worker


def test_jobs_run_in_order_in_one_named_thread_while_greenlets_go_on() -> None:
    worker: Worker[tuple[int, str]] = Worker("parts")
    try:
        jobs = [
            gevent.spawn(worker.run, lambda number=number: (number, threading.current_thread().name))
            for number in range(100)
        ]
        gevent.joinall(jobs, raise_error=True)
    finally:
        worker.close()
    assert [job.value for job in jobs] == [(number, "parts") for number in range(100)]


def test_a_job_that_outlasts_the_worker_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[object] = []
    monkeypatch.setattr(threading, "excepthook", faults.append)
    worker: Worker[bool] = Worker("parts")
    begun: queue.Queue[threading.Thread] = queue.Queue()
    release = threading.Event()

    def job() -> bool:
        begun.put(threading.current_thread())
        return release.wait(60)

    waiting = gevent.spawn(worker.run, job)
    gevent.sleep(0)
    thread = begun.get(timeout=60)
    waiting.kill()
    worker.close()
    release.set()
    thread.join(60)
    assert not thread.is_alive()
    assert faults == []
