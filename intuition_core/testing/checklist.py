"""All checks of one part, as a program; `intuition check` runs it.

``intuition check`` runs it in a process of its own, which it ends when it hangs: ``python -m`` this module, with the
number of an open file descriptor and a `Job` as JSON. Each finding is one line of JSON there: ``check``, ``mark``
(``pass``, ``fail`` or ``skip``) and ``detail``; a line with ``begin`` says what is tried next, one with ``kind`` what
the part was taken for. Asked for the part's ``course`` instead, it gives a line for all that the part says on a market
of several symbols, so that two processes can be compared.
"""

import inspect
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeAlias
from unittest import SkipTest

import msgspec
from msgspec import inspect as shapes

from intuition_core.errors import IntuitionError
from intuition_core.params.checking import parameter_names, params_class
from intuition_core.plugins.catalogue import KINDS, REQUIRED
from intuition_core.plugins.files import NoSuchPart, is_file, load_part, part_file
from intuition_core.plugins.hooks import BadHook, check_hooks
from intuition_core.plugins.plugin_probe import lacking, load, one_line
from intuition_core.testing import (
    AlgorithmContract,
    CalendarContract,
    ConnectorContract,
    IndicatorContract,
    InstrumentsContract,
    PortfolioContract,
    ReportContract,
    RiskContract,
    SourceContract,
)
from intuition_core.testing.asked import AskedContract
from intuition_core.testing.contract import Contract
from intuition_core.testing.crowd import course
from intuition_core.testing.example import example_events, example_params, missing_params
from intuition_core.testing.listening import ListeningContract
from intuition_core.trading.composition import DEFAULT_DEADLINE

CONTRACTS: Final[dict[str, type[Contract]]] = {
    contract.kind: contract
    for contract in (
        AlgorithmContract,
        PortfolioContract,
        SourceContract,
        IndicatorContract,
        RiskContract,
        InstrumentsContract,
        CalendarContract,
        ConnectorContract,
        ReportContract,
    )
}
"""The contracts that a part can be held to without anything else."""

_NUMBERS: Final = (0.5, 1, 10)
"""Values that are tried for required numbers without a default."""

_TICK: Final = 0.1
"""Seconds between two looks at the part."""

_EVENTS: Final = 200
"""Enough for windows of some dozens, and soon gone through."""

Finding: TypeAlias = dict[str, str]


class Job(msgspec.Struct, frozen=True):
    """Which part to try, and how."""

    kind: str
    """Empty for a file of which it is not known."""
    name: str
    target: str
    path: list[str]
    """The import path."""
    params: dict[str, Any] = {}
    call: float = DEFAULT_DEADLINE
    """The seconds that one call of it may take."""
    course: bool = False
    """Whether to let the part work, rather than to check it."""


def findings(job: Job) -> Iterator[Finding]:
    """Yield the findings about a part, one after the other."""
    yield {"begin": "import"}
    started = time.perf_counter()
    try:
        kind, factory = _loaded(job)
    except BaseException as error:  # noqa: BLE001  # a plugin may raise anything, SystemExit included
        text = str(error) if isinstance(error, IntuitionError) else one_line(error)
        yield _found("import", "fail", f"{text}; nothing else can be tried before it can be imported")
        return
    yield {"kind": kind}
    yield _found("import", "pass", f"{time.perf_counter() - started:.2f} s")
    missing = lacking(factory, REQUIRED.get(kind, ()))
    if missing:
        yield _found("methods", "fail", f"it has no `{'`, no `'.join(missing)}`, which a {kind} needs")
        return
    if kind == "hooks":
        try:
            check_hooks(job.name, factory)
        except BadHook as error:
            yield _found("methods", "fail", error.problem)
            return
    yield _found("methods", "pass", "")
    yield from _documentation(factory)
    with tempfile.TemporaryDirectory() as folder:
        yield from _contract(job, kind, factory, Path(folder))


def _loaded(job: Job) -> tuple[str, Any]:
    if not is_file(job.target):
        return job.kind, load(job.target)
    kinds = (job.kind,) if job.kind else KINDS
    for kind in kinds:
        try:
            return kind, load_part(part_file(job.target), kind, REQUIRED.get(kind, ("",)))
        except NoSuchPart:
            if job.kind:
                raise
    raise NoSuchPart(part_file(job.target).path, f"it has no class with the methods of any kind: {_methods()}")


def _methods() -> str:
    return "; ".join(f"{kind}: {', '.join(methods)}" for kind, methods in REQUIRED.items() if kind in CONTRACTS)


def course_of(job: Job) -> Iterator[Finding]:
    """Yield all answers of a part on a market of several symbols."""
    kind, factory = _loaded(job)
    contract = CONTRACTS.get(kind)
    if contract is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        params = {**example_params(kind, job.name, factory, Path(folder)), **job.params}
        if not job.params:
            params = _enough(contract, factory, params)
        checked = type("Checked", (contract,), {"part": factory, "params": params})()
        for said in course(kind, checked):
            yield {"to": said.to, "said": said.said.replace(folder, "")}


def _documentation(factory: Any) -> Iterator[Finding]:
    told = inspect.getdoc(factory) if isinstance(factory, type) else getattr(factory, "__doc__", None)
    if told:
        yield _found("docstring", "pass", "")
    else:
        yield _found("docstring", "skip", "say in one sentence what it does, as the docstring of the class")
    declared = params_class(factory)
    if declared is None and not callable(getattr(factory, "initialize", None)):
        yield _found("parameters described", "pass", "it takes none")
        return
    if declared is None:
        yield _found("parameters described", "skip", "it declares no `Params`, so nobody can see what it takes")
        return
    try:
        fields = getattr(shapes.type_info(declared), "fields", ())
    except TypeError:
        return  # the contract says it
    mute = [field.encode_name for field in fields if not _description(field.type)]
    if mute:
        advice = 'say what they mean: `Annotated[int, msgspec.Meta(description="…")]`'
        yield _found("parameters described", "skip", f"`{'`, `'.join(mute)}` have no description; {advice}")
    else:
        yield _found("parameters described", "pass", "")


def _description(shape: shapes.Type) -> bool:
    if isinstance(shape, shapes.Metadata):
        return bool((shape.extra_json_schema or {}).get("description")) or _description(shape.type)
    return isinstance(shape, shapes.UnionType) and any(map(_description, shape.types))


def _contract(job: Job, kind: str, factory: Callable[[], Any], folder: Path) -> Iterator[Finding]:
    contract = CONTRACTS.get(kind)
    if contract is None:
        advice = {"broker": "; subclass `BrokerContract`, and say there how it is made at a venue"}.get(kind, "")
        yield _found("contract", "skip", f"there is none that a {kind} can be held to from here{advice}")
        return
    yield {"begin": "parameters"}
    try:
        params = {**example_params(kind, job.name, factory, folder), **job.params}
        if not job.params:
            params = _enough(contract, factory, params)
        missing = missing_params(factory, params)
    except Exception as error:  # noqa: BLE001  # what a part declares may be anything
        yield _found("parameters", "fail", f"its `Params` cannot be read: {one_line(error)}")
        return
    if missing:
        wanted = " ".join(f"--param {name}=…" for name in missing)
        yield _found("contract", "skip", f"it needs {', '.join(f'`{name}`' for name in missing)}: {wanted}")
        return
    problem = _refused(contract, factory, params)
    if problem is not None:
        advice = "" if job.params else "; say with which by --param KEY=VALUE"
        yield _found("parameters", "fail" if job.params else "skip", f"it refuses its parameters: {problem}{advice}")
        return
    checked = type("Checked", (contract,), {"part": factory, "params": params})()
    if isinstance(checked, ListeningContract):
        yield {"begin": "channels"}
        _give_events(checked)
    for name, check in inspect.getmembers(checked, callable):
        if name.startswith("test_"):
            yield {"begin": _words(name)}
            yield _outcome(_words(name), check)
    if isinstance(checked, AskedContract):
        yield {"begin": "timing"}
        yield _timing(checked)


def _refused(contract: type[Contract], factory: Callable[[], Any], params: dict[str, Any]) -> str | None:
    """Return the reason why a part does not take parameters; None where it does."""
    try:
        type("Tried", (contract,), {"part": factory, "params": params})().make()
    except (IntuitionError, ValueError) as error:
        return str(error)
    except Exception:  # noqa: BLE001  # the checks call it again and report the error
        return None
    return None


def _enough(contract: type[Contract], factory: Callable[[], Any], params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with a number added, for parts that refuse to start without one, such as limits."""
    missing = missing_params(factory, params)
    names = [name for name in parameter_names(factory) or () if name not in params and name not in missing]
    for extra in ([], *([name] for name in names)):
        for value in _NUMBERS:
            tried = params | dict.fromkeys((*missing, *extra), value)
            if _refused(contract, factory, tried) is None:
                return tried
            if not missing and not extra:
                break
    return params


def _give_events(checked: ListeningContract) -> None:
    """Replace the events of a contract by examples for all channels that its part listens to."""
    try:
        type(checked).quotes = example_events(list(checked.channels()))[:_EVENTS]
    except Exception:  # noqa: BLE001  # the checks call it again and report the error
        return


def _outcome(name: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except SkipTest as reason:
        return _found(name, "skip", str(reason))
    except AssertionError as error:
        return _found(name, "fail", str(error))
    except BaseException as error:  # noqa: BLE001  # a part may raise anything, where no check expects it
        return _found(name, "fail", f"the part raised {one_line(error)}")
    return _found(name, "pass", "")


def _timing(checked: AskedContract) -> Finding:
    try:
        seconds = checked.seconds()
    except Exception as error:  # noqa: BLE001  # the same
        return _found("timing", "skip", one_line(error))
    return _found("timing", "pass", f"{seconds * 1e6:,.1f} µs each, {len(checked.questions())} of them")


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def _found(check: str, mark: str, detail: str) -> Finding:
    return {"check": check, "mark": mark, "detail": " ".join(detail.split())}


class Looking:
    """A thread that ends the process where one call of a part takes longer than it may.

    Attributes:
        begun: what is tried at the moment.

    Args:
        deadline: the seconds that a call may take.
        report: takes what is to be said.
    """

    def __init__(self, deadline: float, report: Callable[[Finding], object]) -> None:
        self.begun = "import"
        self._deadline = deadline
        self._report = report
        self._main = threading.main_thread().ident or 0
        threading.Thread(target=self._look, name="looking", daemon=True).start()

    def _look(self) -> None:
        before: FrameType | None = None
        since = time.monotonic()
        while True:
            time.sleep(min(_TICK, self._deadline / 4))
            call, now = _call(sys._current_frames().get(self._main)), time.monotonic()  # there is no other way
            if call is None or call is not before or self.begun == "import":
                before, since = call, now
            elif now - since > self._deadline:
                where = f"{call.f_code.co_filename}, line {call.f_lineno}"
                what = f"`{call.f_code.co_name}` took longer than the {self._deadline:g} s of its deadline ({where})"
                self._report(_found(self.begun, "fail", what))
                self._report({"end": ""})
                os._exit(0)


def _call(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the call of a part that has not come back; None where there is none."""
    call = None
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == "intuition_core" or name == "__main__":
            return call
        if not frame.f_code.co_filename.startswith("<"):
            call = frame
        frame = frame.f_back
    return None


def _write(descriptor: int, finding: Finding) -> None:
    os.write(descriptor, msgspec.json.encode(finding) + b"\n")


def _main() -> None:
    descriptor, job = int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Job)
    sys.path[:] = job.path
    logging.disable()  # what parts log while they are tried is no news
    own = os.getpid()
    looking = Looking(job.call, report=lambda finding: _write(descriptor, finding))
    for finding in course_of(job) if job.course else findings(job):
        if os.getpid() != own:  # a plugin that forked is here twice; only the process that was asked answers
            os._exit(0)
        looking.begun = finding.get("begin", looking.begun)
        _write(descriptor, finding)
    _write(descriptor, {"end": ""})
    # Threads that the part started must not keep the process alive.
    os._exit(0)


if __name__ == "__main__":
    _main()
