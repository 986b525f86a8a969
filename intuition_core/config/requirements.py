"""Distributions that a configuration requires to be installed, as pip writes them: ``intuition-random>=0.1``."""

import shlex
import sys
from collections.abc import Sequence

from intuition_core.config.loading import BadConfiguration, Config, Mistake
from intuition_core.errors import IntuitionError
from intuition_core.plugins.distributions import distributions, normal


class Unmet(IntuitionError):
    """Requirements of the configuration that are not met; ``command`` installs them."""

    def __init__(self, where: str, missing: Sequence[tuple[str, str | None]]) -> None:
        self.where = where
        self.missing = tuple(missing)
        self.command = shlex.join(["pip", "install", *(requirement for requirement, _ in missing)])
        told = "; ".join(
            f"{requirement} is not installed" if version is None else f"{requirement} is needed, {version} is installed"
            for requirement, version in missing
        )
        super().__init__(f"{where}: {told}; run `{self.command}`")


def check_requirements(config: Config, *, path: Sequence[str] | None = None) -> None:
    """Check that the distributions that a configuration requires are installed; none is imported.

    Args:
        config: the configuration.
        path: the folders and archives to look into; the interpreter's own path by default.

    Raises:
        Unmet: a distribution is missing, or has another version; with the command that would help.
        BadConfiguration: something in ``requires`` is no requirement.
    """
    if not config.values.requires:
        return
    from packaging.requirements import InvalidRequirement, Requirement  # takes time to import
    from packaging.version import InvalidVersion

    where = config.where("requires") or "`requires`"
    origin = config.origins.get("requires", "configuration")
    installed = {normal(each.name): each.version for each in distributions(sys.path if path is None else path)}
    mistakes, missing = [], []
    for text in config.values.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            problem = f"`{text}` is no requirement such as intuition-random>=0.1: {str(error).splitlines()[0]}"
            mistakes.append(Mistake(origin, "requires", problem))
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        version = installed.get(normal(requirement.name))
        try:
            met = version is not None and requirement.specifier.contains(version, prereleases=True)
        except InvalidVersion:
            met = False
        if not met:
            missing.append((text, version))
    if mistakes:
        raise BadConfiguration(*mistakes)
    if missing:
        raise Unmet(where, missing)
