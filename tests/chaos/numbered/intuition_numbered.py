"""Parts that decide on every event and say on which: each decision's reason is the number that its event carries.

Both keep count of what they have seen of each symbol, and their bets depend on it: an event that a part misses or sees
twice shows in the account for ever. Nothing depends on how the symbols are interleaved.
"""

import os
import time
from collections import Counter
from pathlib import Path

from intuition_core import Bet, Signal


class Numbered:
    """An algorithm that answers each event; it cannot save its state, and is rebuilt from what it saw."""

    def initialize(self, params):
        self.seen = Counter()
        slow = os.environ.get("NUMBERED_SLOW")
        self.slow = None if slow is None else Path(slow)
        return ["quotes"]

    def event(self, data):
        if self.slow is not None and self.slow.exists():
            time.sleep(0.01)
        sid = data["sid"]
        self.seen[sid] += 1
        side = "sell" if self.seen[sid] > 8 and self.seen[sid] % 5 == 0 else "buy"
        return Signal(sid, side, data["quote"], mean=float(data.get("number", -1)))


class Counted:
    """A portfolio that bets a little, more with each signal of a symbol; it cannot save its state either."""

    def initialize(self, params):
        self.asked = Counter()

    def optimize(self, signal, account):
        self.asked[signal.sid] += 1
        return Bet(cash=10 + self.asked[signal.sid] % 7, reason=str(int(signal.mean)))

    def release(self, signal, account):
        self.asked[signal.sid] += 1
        return Bet(cash=3 + self.asked[signal.sid] % 3, reason=str(int(signal.mean)))


class SavedNumbered(Numbered):
    """The same, with snapshots."""

    def snapshot(self):
        return dict(self.seen)

    def restore(self, state):
        self.seen = Counter(state)


class SavedCounted(Counted):
    """The same, with snapshots."""

    def snapshot(self):
        return dict(self.asked)

    def restore(self, state):
        self.asked = Counter(state)
