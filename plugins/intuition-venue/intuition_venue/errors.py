"""What goes wrong with a venue."""

from pathlib import Path

from intuition_core.errors import IntuitionError


class PortTaken(IntuitionError):
    """A port that the venue cannot listen on."""

    def __init__(self, host: str, port: int, problem: str) -> None:
        self.host = host
        self.port = port
        self.problem = problem
        super().__init__(f"cannot listen on port {port} of {host}: {problem}; choose another with --port, or 0 for any")


class NotLoopback(IntuitionError):
    """An address that other machines could reach."""

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(f"{host} is no loopback address; a venue for practice listens on 127.0.0.1 or ::1 alone")


class BadLog(IntuitionError):
    """A log that no venue wrote, or that another venue wrote."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        self.path = path
        self.line = line
        self.problem = problem
        super().__init__(f"{path}, line {line}: {problem}; name another file with --log, or take this one away")


class LogInUse(IntuitionError):
    """A log that another venue is writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: another venue writes this log; end that one, or name another file with --log")


class BadSetting(IntuitionError):
    """An option, a fault or a request to the venue itself that it does not understand."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where}: {problem}")


class Refused(IntuitionError):
    """An order, or a change of one, that the exchange does not take; nothing has changed."""

    def __init__(self, reason: str, text: str, **figures: object) -> None:
        self.reason = reason
        self.text = text
        self.figures = figures
        super().__init__(text)
