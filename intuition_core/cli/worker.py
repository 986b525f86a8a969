"""The worker of ``intuition serve``: the session, its parts, and the server; watched by the process that started it."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from intuition_core.cli.logs import set_up_logging
from intuition_core.cli.options import engine_maker, journal_opener, rpc_address, session_settings
from intuition_core.config.loading import Config
from intuition_core.plugins.catalogue import Catalogue, discover
from intuition_core.session.archive import session_file
from intuition_core.supervision.lifeline import follow
from intuition_core.supervision.shared_status import SharedStatus
from intuition_core.supervision.worker_status import WorkerStatus

if TYPE_CHECKING:
    from intuition_core.plugins.hooks import Hooks
    from intuition_core.rpc.server import Server
    from intuition_core.serving.service import Service


SWITCH: Final = 0.0005
"""Seconds after which a part in pure Python lets the thread that answers callers have a turn."""


def work(status: int, lifeline: int, options: Mapping[str, Any]) -> None:
    """Serve a session until SIGTERM, or SIGUSR1 where another worker is to go on; then finish the call in flight.

    Args:
        status: the descriptor of the `SharedStatus` that the supervisor made.
        lifeline: the descriptor of the lifeline that the supervisor holds.
        options: those of `serve`.
    """
    began = time.monotonic()
    sys.setswitchinterval(SWITCH)
    _take_interrupts()
    _end_with(lifeline)
    shared = WorkerStatus(SharedStatus(status))
    log = set_up_logging(options["log_format"], options["verbose"])
    settings = session_settings(options)
    rpc_address(settings, listening=True)

    from intuition_core.config.compose import hook_plugins

    catalogue = TimedCatalogue(
        discover(blocked=settings.values.plugins.blocked).plugins, shared, settings.values.worker.import_deadline
    )
    listening = hook_plugins(settings, catalogue)
    with ExitStack() as stack:
        stack.callback(shared.leave)
        service = _open_service(settings, catalogue, options, stack, restart=lambda: server.stop())
        hooks = _listeners(service, settings, listening, options, stack)
        if service.clock is not None:
            log.info("timers are told by the clock, too, %s after their moment", settings.values.clock.grace)
        server, address = _open_server(service, settings, options, stack)
        hooks.session_started(service.describe())
        _tell_recovery(log, service, time.monotonic() - began)
        shared.serve()
        name, cash = service.session.name, service.account()["cash"]
        log.info("ready: session %s serves %s at %s, cash %s", name, _composed(service), address, cash)
        server.run()
        hooks.session_finished()
        log.info("stopped: session %s after %d events", name, service.session.last_seq)
    shared.finish(hand_over=service.restarting)


def _take_interrupts() -> None:
    """Ignore Ctrl-C, which a terminal sends to this process as well: the supervisor decides."""
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end_with(lifeline: int) -> None:
    """End this process, and what it forks, when the supervisor ends."""

    def follow_it() -> None:
        follow(lifeline, lambda: os._exit(1))

    follow_it()
    os.register_at_fork(after_in_child=follow_it)  # what parts have forked would hold on to journal and address


def _open_service(
    settings: Config,
    catalogue: "TimedCatalogue",
    options: Mapping[str, Any],
    stack: ExitStack,
    *,
    restart: Callable[[], None],
) -> "Service":
    from intuition_core.serving.service import Service

    memory = settings.values.worker.memory
    service = Service(
        settings,
        catalogue,
        journal=journal_opener(settings, stack),
        watch=catalogue.status.watch(memory=memory * 2**20 if memory else None),
        reload=options["reload"],
        engine=engine_maker(options["trace"]),
        restart=restart,
        pause=partial(time.sleep, 0),
    )
    stack.callback(service.close)
    return service


def _listeners(
    service: "Service",
    settings: Config,
    listening: Sequence[tuple[str, Any]],
    options: Mapping[str, Any],
    stack: ExitStack,
) -> "Hooks":
    """Register the console and the hook plugins as listeners of the session, and return the hooks."""
    from intuition_core.plugins.hooks import Hooks
    from intuition_core.session.console import Console

    session = service.session
    hooks = Hooks(session.name, listening, essential=settings.values.hooks.essential, stop=session.halt)
    console = Console(
        sys.stdout,
        json=options["log_format"] == "json",
        messages=options["verbose"] > 0,
        equity=lambda: str(service.account()["equity"]),
    )
    stack.callback(console.close)
    session.listen(console)
    session.listen(hooks)
    return hooks


def _open_server(
    service: "Service", settings: Config, options: Mapping[str, Any], stack: ExitStack
) -> tuple["Server", str]:
    """Bind the server, have signals end it, and return it with the address at which it listens."""
    import gevent

    from intuition_core.rpc.gate import raise_descriptor_limit
    from intuition_core.rpc.server import Server

    raise_descriptor_limit()
    rpc = settings.values.rpc
    server = stack.enter_context(
        Server(
            service.methods(),
            name=service.session.name,
            key=rpc.key,
            clients=rpc.clients,
            chore=service.chores.do,
        )
    )
    service.session.make_room_for(server.urgent)
    address = server.bind(rpc.addr, insecure=options["insecure"])
    stack.callback(gevent.signal_handler(signal.SIGTERM, server.stop).cancel)
    if options["reload"]:
        stack.callback(gevent.signal_handler(signal.SIGUSR1, _hand_over, service, server).cancel)
    return server, address


class TimedCatalogue(Catalogue, frozen=True):
    """A catalogue whose imports have a deadline that the supervisor enforces."""

    status: WorkerStatus
    deadline: float

    def load(self, kind: str, ref: str) -> Any:
        """Import a plugin, within the deadline."""
        with self.status.imports(str(self.find(kind, ref)), deadline=self.deadline):
            return super().load(kind, ref)


def _hand_over(service: "Service", server: "Server") -> None:
    """Keep the state for the next worker, which runs the changed file, and end."""
    service.hand_over()
    server.stop()


def _tell_recovery(log: logging.Logger, service: "Service", seconds: float) -> None:
    kept = service.journal
    if kept is None:
        log.info("no journal: the session is in memory and ends with this process")
        return
    log.info("journal %s, durability %s", kept.path, kept.durability)
    recovery = service.recovery
    if recovery.last_seq:
        log.info(
            "recovered %d events in %.1f s: a snapshot at event %d, %d events replayed",
            recovery.last_seq,
            seconds,
            recovery.snapshot,
            recovery.replayed,
        )
    for part, why in service.session.quarantined():
        log.warning(
            "in quarantine since event %d: %s; to have it called again, end the session and run "
            "`intuition sessions release %s %s:%s`",
            why.seq,
            why.problem if part.label in why.problem else f"{part.label}: {why.problem}",
            service.session.name if Path(kept.path) == session_file(service.session.name) else kept.path,
            part.kind,
            part.name,
        )


def _composed(service: "Service") -> str:
    lines = service.session.engine.composition.sleeves
    return " and ".join(f"{line.algorithm.name} with {line.portfolio.name}" for line in lines)
