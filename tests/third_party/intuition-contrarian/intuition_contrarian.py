"""An algorithm by somebody else: it knows the contract, and nothing else of the project."""

from intuition_core import Signal


class Contrarian:
    def initialize(self, params):
        self.last = None
        return ["quotes"]

    def event(self, data):
        last, self.last = self.last, data["quote"]
        if last is None or data["quote"] == last:
            return None
        return Signal(data["sid"], "buy" if data["quote"] < last else "sell", data["quote"])
