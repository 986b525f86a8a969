"""Runs for commands of plugins: configurations composed, sources opened, recorded events run, sessions followed."""

from typing import TYPE_CHECKING, Final

from intuition_core.system.lazy import finder

if TYPE_CHECKING:
    from intuition_core.config.compose import compose as compose
    from intuition_core.config.compose import connector_params as connector_params
    from intuition_core.config.compose import located as located
    from intuition_core.config.diagnosis import read_config as read_config
    from intuition_core.config.editing import settle as settle
    from intuition_core.config.editing import substitute_parts as substitute_parts
    from intuition_core.config.loading import BadConfiguration as BadConfiguration
    from intuition_core.config.loading import Config as Config
    from intuition_core.config.loading import load_config as load_config
    from intuition_core.plugins.catalogue import Catalogue as Catalogue
    from intuition_core.plugins.catalogue import discover as discover
    from intuition_core.runs.composing import parameter_taker as parameter_taker
    from intuition_core.runs.followed import FollowedSession as FollowedSession
    from intuition_core.runs.followed import SessionChanged as SessionChanged
    from intuition_core.runs.follower import Follower as Follower
    from intuition_core.runs.follower import NotAtBoundary as NotAtBoundary
    from intuition_core.runs.follower import VersionChanged as VersionChanged
    from intuition_core.runs.recorded import RecordedRun as RecordedRun
    from intuition_core.sources import opening
    from intuition_core.sources.contents import EarlierRun as EarlierRun
    from intuition_core.sources.opening import open_source as open_source
    from intuition_core.sources.opening import reader_of as reader_of
    from intuition_core.sources.reading import MergedReader as MergedReader
    from intuition_core.sources.reading import SourceReader as SourceReader
    from intuition_core.trading.composition import Composition as Composition

    shown_data = opening.shown
else:
    PLACES: Final = {
        "BadConfiguration": "config.loading",
        "Catalogue": "plugins.catalogue",
        "Composition": "trading.composition",
        "Config": "config.loading",
        "EarlierRun": "sources.contents",
        "FollowedSession": "runs.followed",
        "Follower": "runs.follower",
        "MergedReader": "sources.reading",
        "NotAtBoundary": "runs.follower",
        "RecordedRun": "runs.recorded",
        "SessionChanged": "runs.followed",
        "SourceReader": "sources.reading",
        "VersionChanged": "runs.follower",
        "compose": "config.compose",
        "connector_params": "config.compose",
        "discover": "plugins.catalogue",
        "load_config": "config.loading",
        "located": "config.compose",
        "open_source": "sources.opening",
        "parameter_taker": "runs.composing",
        "read_config": "config.diagnosis",
        "reader_of": "sources.opening",
        "settle": "config.editing",
        "shown_data": "sources.opening:shown",
        "substitute_parts": "config.editing",
    }
    __all__ = list(PLACES)
    __getattr__ = finder(__name__, PLACES)
