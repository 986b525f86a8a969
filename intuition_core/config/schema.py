"""The JSON Schema of ``intuition.toml`` for the plugins that are installed, so that editors complete and check it."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from intuition_core.config.tables import Configuration
from intuition_core.plugins.catalogue import Catalogue, Plugin

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DEADLINE: Final = 20.0
"""Seconds that a plugin may take to be imported."""

_KINDS: Final = ("algorithm", "portfolio", "risk", "indicator", "source", "connector", "hooks")
"""The kinds that a configuration chooses by name."""


class Told(msgspec.Struct, frozen=True):
    """A plugin's answer about its parameters."""

    schema: dict[str, Any] | None = None
    definitions: dict[str, Any] = {}
    problem: str | None = None


def schema(catalogue: Catalogue, *, deadline: float = DEADLINE) -> tuple[dict[str, Any], list[tuple[Plugin, str]]]:
    """Return the JSON Schema (draft 2020-12) of a configuration file, and the plugins whose parameters are unknown.

    The plugins are imported in a process of its own. One that cannot be imported may be named, with any parameters.

    Args:
        catalogue: the plugins there are.
        deadline: seconds that each may take to be imported.
    """
    usable = [
        plugin for plugin in catalogue.plugins if plugin.status in {"available", "conflict"} and plugin.kind in _KINDS
    ]
    told = dict(zip(usable, _ask(usable, deadline), strict=True))
    document = msgspec.json.schema(Configuration)
    definitions = document["$defs"]
    for answer in told.values():
        definitions.update(answer.definitions)
    root = definitions.pop("Configuration")
    for table in definitions.values():
        if "properties" in table and "additionalProperties" not in table:
            table["additionalProperties"] = False
    root["additionalProperties"] = False
    root["properties"]["starting_cash"] = root["properties"]["cash"]
    _choose(root, definitions, told)
    return (
        _for_toml({"$schema": DIALECT, "title": "intuition.toml", **_without_title(root), "$defs": definitions}),
        [(plugin, answer.problem) for plugin, answer in told.items() if answer.problem is not None],
    )


def _choose(root: dict[str, Any], definitions: dict[str, Any], told: Mapping[Plugin, Told]) -> None:
    """Write into each place that names a part the names of installed parts and the schemas of their parameters."""
    properties = root["properties"]
    part = definitions.pop("PartTable")
    for kind, key in (("algorithm", "algorithm"), ("portfolio", "portfolio"), ("risk", "risks")):
        name = f"{kind.capitalize()}Part"
        definitions[name] = _naming(part, "name", _known(told, kind))
        properties[key] = _replaced(properties[key], "#/$defs/PartTable", f"#/$defs/{name}")
    definitions["PortfolioChoice"] = _naming(definitions["PortfolioChoice"], "use", _known(told, "portfolio"))
    for table, kind in (("AlgorithmTable", "algorithm"), ("IndicatorTable", "indicator")):
        definitions[table] = _naming(definitions[table], "use", _known(told, kind), otherwise="name")
    definitions["SourceTable"] = _naming(definitions["SourceTable"], "name", _known(told, "source"))
    connectors = {name: schema or {"type": "object"} for name, schema in _known(told, "connector").items()}
    properties["connectors"] = {"type": "object", "properties": connectors, "additionalProperties": {"type": "object"}}
    hooks = _known(told, "hooks")
    of_hooks = definitions["HooksTable"]["properties"]
    params = {name: schema or {"type": "object"} for name, schema in hooks.items()}
    of_hooks["params"] = {"type": "object", "properties": params, "additionalProperties": {"type": "object"}}
    for key in ("enabled", "essential"):
        of_hooks[key]["items"] = {"anyOf": [{"enum": list(hooks)}, {"type": "string"}]}


def _known(told: Mapping[Plugin, Told], kind: str) -> dict[str, dict[str, Any] | None]:
    """Return the schemas of the parameters by the names of the plugins of a kind; None means any parameters."""
    known: dict[str, dict[str, Any] | None] = {}
    for plugin, answer in told.items():
        if plugin.kind == kind:
            if plugin.status == "available":
                known[plugin.name] = answer.schema
            known[plugin.ref] = answer.schema
    return known


def _naming(
    table: Mapping[str, Any], key: str, known: Mapping[str, Any], *, otherwise: str | None = None
) -> dict[str, Any]:
    """Return a table's schema whose parameters depend on the plugin that ``key`` names, or else ``otherwise``."""
    properties = {name: dict(content) for name, content in table["properties"].items()}
    # Any text is a name: what is installed elsewhere, or a file.
    properties[otherwise or key] = {"anyOf": [{"enum": list(known)}, {"type": "string"}]}
    properties[key] = dict(properties[otherwise or key])
    rules = []
    for name, schema in known.items():
        if schema is None:
            continue
        named: dict[str, Any] = {"required": [key], "properties": {key: {"const": name}}}
        if otherwise is not None:
            short = {"required": [otherwise], "properties": {otherwise: {"const": name}}, "not": {"required": [key]}}
            named = {"anyOf": [named, short]}
        rules.append({"if": named, "then": {"properties": {"params": schema}}})
    return {**table, "properties": properties, **({"allOf": rules} if rules else {})}


def _replaced(content: Any, old: str, new: str) -> Any:
    if isinstance(content, dict):
        return {key: _replaced(value, old, new) for key, value in content.items()}
    if isinstance(content, list):
        return [_replaced(value, old, new) for value in content]
    return new if content == old else content


def _for_toml(content: Any) -> Any:
    """Return a schema in terms of TOML, which has no null and in which amounts may be numbers."""
    if isinstance(content, list):
        return [_for_toml(each) for each in content]
    if not isinstance(content, dict):
        return content
    if content.get("format") == "decimal":
        rest = {key: value for key, value in content.items() if key not in ("type", "format")}
        return {**_for_toml(rest), "type": ["string", "number"]}
    kept = {key: _for_toml(value) for key, value in content.items() if not (key == "default" and value is None)}
    choices = kept.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        choices = [choice for choice in choices if choice != {"type": "null"}]
        del kept["anyOf"]
        return {**choices[0], **kept} if len(choices) == 1 else {**kept, "anyOf": choices}
    return kept


def _without_title(root: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in root.items() if key != "title"}


def _ask(plugins: Sequence[Plugin], deadline: float) -> list[Told]:
    """Return the answers of all plugins; after one that ends or hangs the process, another process continues."""
    answers: list[Told] = []
    while len(answers) < len(plugins):
        asked = plugins[len(answers) :]
        answers += _answers(asked, deadline)
        if len(answers) < len(plugins):
            answers.append(Told(problem="importing it does not come to an end"))
    return answers


def _answers(plugins: Sequence[Plugin], deadline: float) -> Iterator[Told]:
    from intuition_core.plugins import part_probe

    wanted = [(plugin.target, f"{plugin.kind}.{plugin.distribution}.{plugin.name}.") for plugin in plugins]
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603  # our own program, with a path and targets, and no shell
            [sys.executable, "-P", "-m", part_probe.__name__, str(writing), json.dumps(sys.path), json.dumps(wanted)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(writing,),
            start_new_session=True,
        )
    finally:
        os.close(writing)
    try:
        buffer = b""
        poll = select.poll()  # `select` takes no descriptor above 1,023
        poll.register(reading, select.POLLIN)
        for _ in plugins:
            until = time.monotonic() + deadline
            while b"\n" not in buffer:
                ready = poll.poll(max(0.0, until - time.monotonic()) * 1_000)
                if not ready or not (chunk := os.read(reading, 65536)):
                    return
                buffer += chunk
            line, _, buffer = buffer.partition(b"\n")
            yield msgspec.json.decode(line, type=Told)
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
