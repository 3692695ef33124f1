"""Reads order files of every region and month, cleans them, adds them up and writes the totals.

One pipeline, mapped over the product of regions and months. Settings are inputs like any other,
None where there is nothing to set. Reading and writing always run; what lies between is cached by
the values that go in: change one file, and only the nodes that see a difference run again.

./run python examples/etl/etl.py --engine daft --cache .cache/etl --since 2024-02-10 --limit 40
"""

import argparse
import csv
import random
import tempfile
from datetime import date, timedelta
from pathlib import Path

import hypernodes.engines
from hypernodes import DiskCache, Pipeline, node

ENGINES = {"seq": "SeqEngine", "daft": "DaftEngine", "dask": "DaskEngine"}
REGIONS = {"north": "EUR", "south": "EUR", "islands": "GBP", "overseas": "USD"}
MONTHS = ["2024-01", "2024-02", "2024-03"]
RATES = {"EUR": 1.0, "GBP": 1.17, "USD": 0.92}
PRICES = {"tea": 4.5, "coffee": 7.25, "cocoa": 6.0, "sugar": 1.8}

Row = dict[str, str]


# --- extract -------------------------------------------------------------------------------------


@node(output_name="rows", cache=False)
def extract(folder: str, region: str, month: str) -> list[Row]:
    """Not cached: only reading a file tells whether it has changed."""
    with Path(folder, f"orders-{region}-{month}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- transform -----------------------------------------------------------------------------------


@node(output_name=("orders", "rejected"))
def validate(rows: list[Row], products: dict[str, float]) -> tuple[list[Row], list[str]]:
    """Orders that can be counted, and why the others cannot."""
    orders, rejected, seen = [], [], set()
    for row in rows:
        if row["product"] not in products:
            rejected.append(f"{row['order']}: no product {row['product']!r}")
        elif not row["quantity"].isdigit() or int(row["quantity"]) == 0:
            rejected.append(f"{row['order']}: quantity {row['quantity']!r}")
        elif row["order"] in seen:
            rejected.append(f"{row['order']}: twice")
        else:
            seen.add(row["order"])
            orders.append(row)
    return orders, rejected


@node(output_name="selected")
def select(
    orders: list[Row], since: date | None, until: date | None, limit: int | None
) -> list[Row]:
    """The orders of a time, the first `limit` of them; None sets no bound."""
    chosen = [
        order
        for order in orders
        if (since is None or date.fromisoformat(order["day"]) >= since)
        and (until is None or date.fromisoformat(order["day"]) < until)
    ]
    return chosen[:limit]


@node(output_name="sales")
def price(
    selected: list[Row], rates: dict[str, float], currency: str | None
) -> list[tuple[str, int, float]]:
    """Product, quantity and turnover in one currency: by default that of the order."""
    return [
        (
            order["product"],
            int(order["quantity"]),
            int(order["quantity"])
            * float(order["price"])
            * (1.0 if currency is None else rates[order["currency"]] / rates[currency]),
        )
        for order in selected
    ]


@node(output_name=("quantity", "turnover"))
def add_up(sales: list[tuple[str, int, float]]) -> tuple[dict[str, int], dict[str, float]]:
    """Totals by product."""
    quantity: dict[str, int] = {}
    turnover: dict[str, float] = {}
    for product, number, amount in sorted(sales):
        quantity[product] = quantity.get(product, 0) + number
        turnover[product] = turnover.get(product, 0.0) + amount
    return quantity, {product: round(amount, 2) for product, amount in turnover.items()}


# --- load ----------------------------------------------------------------------------------------


@node(output_name="written", cache=False)
def write(
    out: str,
    region: str,
    month: str,
    quantity: dict[str, int],
    turnover: dict[str, float],
    rejected: list[str],
) -> str:
    """Writes the totals, and beside them what was rejected. Not cached: the file is the point."""
    path = Path(out, f"totals-{region}-{month}.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["product", "quantity", "turnover"])
        writer.writerows([p, quantity[p], f"{turnover[p]:.2f}"] for p in sorted(quantity))
    path.with_suffix(".rejected").write_text("".join(f"{line}\n" for line in rejected))
    return path.name


def build() -> Pipeline:
    """Needs folder, out, region and month, since, until, limit and currency."""
    pipeline = Pipeline([extract, validate, select, price, add_up, write], name="orders")
    return pipeline.bind(products=PRICES, rates=RATES)


# --- the files -----------------------------------------------------------------------------------


def generate(folder: Path) -> Path:
    """The same orders every time, a few of them wrong as they are in life."""
    folder.mkdir(parents=True, exist_ok=True)
    for region, currency in REGIONS.items():
        for month in MONTHS:
            dice = random.Random(f"{region} {month}")
            with (folder / f"orders-{region}-{month}.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["order", "day", "product", "quantity", "price", "currency"])
                for number in range(dice.randint(60, 120)):
                    product = dice.choice([*PRICES, *PRICES, *PRICES, "te a"])
                    quantity = dice.choice(
                        [1, 2, 2, 3, 5, 10, 0, "", "many"][: dice.choice([6, 9])]
                    )
                    day = date.fromisoformat(f"{month}-01") + timedelta(days=dice.randrange(28))
                    order = f"{region[0]}{number - (dice.random() < 0.03):04}"
                    cost = f"{PRICES.get(product, 1.0) * dice.uniform(0.9, 1.1):.2f}"
                    writer.writerow([order, day.isoformat(), product, quantity, cost, currency])
    return folder


def inputs(folder: Path, out: Path) -> dict:
    """To be mapped over region and month."""
    settings = {"since": None, "until": None, "limit": None, "currency": None}
    return {
        "folder": str(folder),
        "out": str(out),
        "region": list(REGIONS),
        "month": MONTHS,
        **settings,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="seq")
    parser.add_argument("--cache", metavar="DIR", help="where results are kept")
    parser.add_argument("--since", type=date.fromisoformat, help="only orders from this day on")
    parser.add_argument("--until", type=date.fromisoformat, help="only orders before this day")
    parser.add_argument("--limit", type=int, help="only this many orders of each file")
    parser.add_argument("--currency", choices=RATES, help="turnover in this currency")
    options = parser.parse_args(arguments)
    pipeline = build().with_engine(getattr(hypernodes.engines, ENGINES[options.engine])())
    if options.cache:
        pipeline.with_cache(DiskCache(options.cache))
    with tempfile.TemporaryDirectory() as scratch:
        given = inputs(generate(Path(scratch)), Path(scratch))
        given |= {name: getattr(options, name) for name in ("since", "until", "limit", "currency")}
        parts = pipeline.map(given, map_over=["region", "month"], map_mode="product")
        lines = sum(
            len((Path(scratch) / part["written"]).read_text().splitlines()) for part in parts
        )
    print(f"{'file':<28}{'orders':>8}{'rejected':>10}{'turnover':>12}")
    for part in parts:
        turnover = sum(part["turnover"].values())
        counts = f"{len(part['selected']):>8}{len(part['rejected']):>10}{turnover:>12,.2f}"
        print(f"{part['written']:<28}{counts}")
    print(f"\n{lines} lines in {len(parts)} files")


if __name__ == "__main__":
    main()
