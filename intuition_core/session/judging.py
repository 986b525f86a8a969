"""How the session goes on after a part that failed: the decision by the part's policy, and how a replay follows it."""

from collections.abc import Sequence

from intuition_core.data import Event
from intuition_core.supervision.crashes import FailureDecision, WorkerCrash
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record


def part_name(engine: TradingEngine, number: int) -> str:
    """Return the kind and name of a part by its number from 1, as the journal holds them; empty where there is none."""
    if number > len(engine.parts):
        return ""
    part = engine.parts[number - 1]
    return f"{part.kind} {part.name}"


def decision_after(engine: TradingEngine, crash: WorkerCrash, seq: int) -> FailureDecision:
    """Return the decision about a part whose crash is answered at an event.

    Args:
        engine: the live parts.
        crash: the end of the process while the part ran.
        seq: the number of the event.
    """
    quarantined = engine.parts[crash.part - 1].policy == "quarantine"
    name = part_name(engine, crash.part)
    return FailureDecision(seq, crash.part, name, called=False, quarantined=quarantined, problem=crash.problem)


def step_by(engine: TradingEngine, event: Event, decisions: Sequence[FailureDecision]) -> Sequence[Record]:
    """Run an event by the decisions that were taken at it, and return its records.

    Decisions about a part that has left its place since are passed over.
    """
    own = [decision for decision in decisions if decision.name == part_name(engine, decision.part)]
    records = engine.step_without(event, {each.part: each.problem for each in own if not each.called})
    for decision in own:
        if decision.quarantined:
            engine.quarantine(decision.part, decision.problem)
    return records
