"""The worker of ``intuition serve``: the session, its parts, and the server; watched by the process that started it."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intuition_core.cli.logs import set_up_logging
from intuition_core.cli.options import rpc_address, strategy_maker
from intuition_core.cli.serve import settings as read_settings
from intuition_core.config.loading import Config
from intuition_core.plugins.catalogue import Catalogue, discover
from intuition_core.session.archive import held, session_file
from intuition_core.session.journal import Journal
from intuition_core.supervision.shared_status import SharedStatus

if TYPE_CHECKING:
    from intuition_core.rpc.server import Server
    from intuition_core.serving.service import Service


def work(status: int, lifeline: int, options: Mapping[str, Any]) -> None:
    """Serve a session until SIGTERM, or SIGUSR1 where another worker is to go on; then finish the call in flight.

    Args:
        status: the descriptor of the `SharedStatus` that the supervisor made.
        lifeline: the descriptor of a pipe whose other end only the supervisor has.
        options: those of `serve`.
    """
    began = time.monotonic()
    # A terminal sends Ctrl-C to us as well; the supervisor decides.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _end_with(lifeline)
    shared = SharedStatus(status)
    log_format = options["log_format"]
    log = set_up_logging(log_format, options["verbose"])
    settings = read_settings(options)
    rpc_address(settings, listening=True)

    import gevent

    from intuition_core.config.compose import hook_plugins
    from intuition_core.plugins.hooks import Hooks
    from intuition_core.rpc.server import Server
    from intuition_core.serving.service import Service
    from intuition_core.session.console import Console

    rpc = settings.values.rpc
    catalogue = TimedCatalogue(
        discover(blocked=settings.values.plugins.blocked).plugins, shared, settings.values.worker.import_deadline
    )
    listening = hook_plugins(settings, catalogue)
    with ExitStack() as stack:
        stack.callback(shared.leave)
        memory = settings.values.worker.memory
        watch = shared.watch(memory=memory * 2**20 if memory else None)
        service = Service(
            settings,
            catalogue,
            journal=_journal(settings, stack),
            watch=watch,
            reload=options["reload"],
            engine=strategy_maker(options["trace"]),
            restart=lambda: server.stop(),
        )
        stack.callback(service.close)
        name = service.session.name
        hooks = Hooks(name, listening, essential=settings.values.hooks.essential, stop=service.session.halt)
        service.session.listen(
            Console(
                sys.stdout,
                json=log_format == "json",
                messages=options["verbose"] > 0,
                equity=lambda: str(service.account()["equity"]),
            )
        )
        service.session.listen(hooks)
        chore = None
        if service.by_the_clock:
            chore = service.tell_timers
            log.info("timers are told by the clock, too, %s after their moment", settings.values.clock.grace)
        server = stack.enter_context(
            Server(service.methods(), name=name, key=rpc.key, clients=rpc.clients, chore=chore)
        )
        address = server.bind(rpc.addr, insecure=options["insecure"])
        stack.callback(gevent.signal_handler(signal.SIGTERM, server.stop).cancel)
        if options["reload"]:
            stack.callback(gevent.signal_handler(signal.SIGUSR1, _hand_over, service, server).cancel)
        hooks.session_started(service.describe())
        _tell_recovery(log, service, time.monotonic() - began)
        shared.serve()
        log.info(
            "ready: session %s serves %s at %s, cash %s", name, _composed(service), address, service.account()["cash"]
        )
        server.run()
        hooks.session_finished()
        log.info("stopped: session %s after %d events", name, service.session.last_seq)
    shared.finish(hand_over=service.restarting)


class TimedCatalogue(Catalogue, frozen=True):
    """A catalogue whose imports the supervisor watches, as it does the calls of parts."""

    status: SharedStatus
    deadline: float

    def load(self, kind: str, ref: str) -> Any:
        """Import a plugin, within the deadline."""
        with self.status.imports(str(self.find(kind, ref)), deadline=self.deadline):
            return super().load(kind, ref)


def _hand_over(service: "Service", server: "Server") -> None:
    """End, and leave to the next worker what it needs to go on with a changed file."""
    service.hand_over()
    server.stop()


def _end_with(lifeline: int) -> None:
    """End this process when the supervisor ends, however that came about."""

    def wait() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    os.set_inheritable(lifeline, False)  # noqa: FBT003  # it takes no keyword

    def follow() -> None:
        threading.Thread(target=wait, name="lifeline", daemon=True).start()

    follow()
    os.register_at_fork(after_in_child=follow)  # what parts have forked would hold on to journal and address


def _journal(settings: Config, stack: ExitStack) -> Callable[[str], Journal] | None:
    """Say how to open the session's journal, and hold its file for this process."""
    table = settings.values.journal
    if not table.enabled:
        return None

    def open_journal(name: str) -> Journal:
        path = Path(table.path) if table.path else session_file(name)
        stack.enter_context(held(path))
        return Journal(path, durability=table.durability)

    return open_journal


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
