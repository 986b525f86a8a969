"""A zerorpc server that knows nothing of us: ``python foreign.py [ADDRESS]``. Prints its address."""

import logging
import os
import sys
import time

import zerorpc

logging.basicConfig(level=logging.CRITICAL)


class Foreign:
    """Only what the founding article has, and some faults."""

    def initialize(self, conf):
        return ["quotes"]

    def event(self, data):
        match data.get("do") if isinstance(data, dict) else None:
            case "fail":
                raise KeyError("goog")
            case "die":
                os._exit(1)
            case "keys":
                return {1: "one"}
            case "sleep":
                time.sleep(data["seconds"])
        return [data]

    @zerorpc.stream
    def stream(self):
        return iter([1, 2])


server = zerorpc.Server(Foreign())
server.bind(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:*")
print(server._events._socket.getsockopt(zerorpc.zmq.LAST_ENDPOINT).rstrip(b"\0").decode(), flush=True)
server.run()
