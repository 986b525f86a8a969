"""The algorithm of the benchmark `targets`: at month ends, equal parts of the ten symbols that have risen most."""

from typing import Any

from intuition_core import Context, Targets

MOST = 10


class Monthly:
    """Holds the ten symbols that have risen most since the last month end."""

    def initialize(self, params: Any, context: Context) -> None:  # noqa: ARG002  # it takes none
        """Ask for a timer."""
        self.month_end = context.at("month end")
        self.last: dict[str, float] = {}
        self.before: dict[str, float] = {}

    def event(self, data: Any) -> Targets | None:
        """Note a quote; at a month end, give the targets."""
        if data["channel"] == "quotes":
            self.last[data["sid"]] = data["quote"]
            return None
        risen = sorted(((self.last[sid] / price, sid) for sid, price in self.before.items()), reverse=True)
        self.before = dict(self.last)
        return Targets(weights={sid: 1 / MOST for _, sid in risen[:MOST]}) if risen else None
