"""What tests share: ``from support import eventually``."""

from support.events import quote
from support.network import accepts, free_port
from support.programs import environment
from support.waiting import PATIENCE, eventually

__all__ = ["PATIENCE", "accepts", "environment", "eventually", "free_port", "quote"]
