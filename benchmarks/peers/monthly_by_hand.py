"""The same as `benchmarks/monthly.py` as a loop by hand: a dict of each row, fills at the next open.

Usage: monthly_by_hand.py FILE CASH
"""

import json
import sys
from typing import Any

import pyarrow.parquet as pq

MOST = 10


def main() -> None:
    """Run the loop and print what it came to."""
    path, cash = sys.argv[1], float(sys.argv[2])
    table = pq.read_table(path)
    columns = [column.to_pylist() for column in table.columns]
    last: dict[str, float] = {}
    before: dict[str, float] = {}
    held: dict[str, float] = {}
    wanted: dict[str, float] | None = None
    month = None
    fills = []
    equities: list[float] = []
    names = table.column_names
    day_of, sells, buys = None, {}, {}
    for values in zip(*columns, strict=True):
        row: dict[str, Any] = dict(zip(names, values, strict=True))
        date, sid = row["date"], row["symbol"]
        if date != day_of:
            day_of = date
            if month is not None and date.month != month:
                risen = sorted(((last[each] / price, each) for each, price in before.items()), reverse=True)
                before = dict(last)
                if risen:
                    equity = cash + sum(units * last[each] for each, units in held.items())
                    wanted = {each: equity / MOST for _, each in risen[:MOST]}
                    sells, buys = {}, {}
                    for each in {**held, **wanted}:
                        value = held.get(each, 0.0) * last[each]
                        more = wanted.get(each, 0.0) - value
                        (buys if more > 0 else sells)[each] = abs(more)
            month = date.month
        price = row["open"]
        if sid in sells:
            units = held[sid] if wanted is not None and sid not in wanted else sells[sid] / last[sid]
            units = min(units, held[sid])
            held[sid] -= units
            if held[sid] <= 1e-9:
                del held[sid]
            cash += units * price
            fills.append((date, sid, -units, price))
            del sells[sid]
        if sid in buys:
            held[sid] = held.get(sid, 0.0) + buys[sid] / price
            cash -= buys[sid]
            fills.append((date, sid, buys[sid] / price, price))
            del buys[sid]
        last[sid] = row["close"]
        equities.append(cash)
    print(json.dumps({"fills": len(fills), "equity": cash + sum(units * last[sid] for sid, units in held.items())}))


main()
