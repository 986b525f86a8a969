"""The shapes that a venue can have."""

from intuition_venue.server import Shape
from intuition_venue.venue import Venue


def shape_of(venue: Venue) -> Shape:
    """Return what speaks the protocol that a venue's settings name."""
    if venue.settings.shape == "stocks":
        from intuition_venue.stocks.streams import Stocks

        return Stocks(venue)
    from intuition_venue.spot.streams import Spot

    return Spot(venue)
