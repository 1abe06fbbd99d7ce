"""Makes a Tryton database and founds a made-up company in it: what is there before anybody works.

    TRYTOND_DATABASE_URI=postgresql://user:password@host:port/database python3 company.py

The database exists and is empty. Everything here is slow and always the same, so its result is
kept and copied; what happens afterwards is in business.py. All dates are fixed.
"""

import datetime as dt
import os
from decimal import Decimal
from urllib.parse import urlparse

from proteus import Model, Wizard
from proteus import config as proteus_config

MODULES = ["purchase_request", "stock_supply"]
YEAR = dt.date(2026, 1, 1)


def create_tables(database):
    """Creates the tables of the kernel and of the modules, which takes a minute."""
    from trytond import backend
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    backend.Database(database).connect().init()
    Pool.start()
    pool = Pool(database)
    pool.init(update=["res", "ir", *MODULES], lang=["en"], activatedeps=True)
    with Transaction().start(database, 0):
        pool.get("res.user")(login="admin", administrator=True, active=True).save()


def found_company():
    """The company, its currency and the other one its suppliers use."""
    Currency, Party = Model.get("currency.currency"), Model.get("party.party")
    euro = Currency(name="Euro", symbol="€", code="EUR", numeric_code="978")
    euro.rounding, euro.digits = Decimal("0.01"), 2
    euro.rates.new(date=YEAR, rate=Decimal("1"))
    euro.save()
    party = Party(name="Demo Company 1", code="DC1")
    party.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party, wizard.form.currency = party, euro
    wizard.execute("add")
    config = proteus_config.get_config()
    config._context = Model.get("res.user").get_preferences(True, {})


def open_books():
    """Accounts and one year of periods, without which no invoice can be posted."""
    from trytond.modules.account.tests.tools import (
        create_chart, create_fiscalyear, get_accounts)
    from trytond.modules.account_invoice.tests.tools import (
        create_payment_term, set_fiscalyear_invoice_sequences)

    create_chart()
    year = set_fiscalyear_invoice_sequences(create_fiscalyear(today=YEAR))
    year.click("create_period")
    create_payment_term().save()
    category = Model.get("product.category")(name="Demo Goods", accounting=True)
    accounts = get_accounts()
    category.account_expense = accounts["expense"]
    category.account_revenue = accounts["revenue"]
    category.save()
    return category


def stock_items(category):
    """Items 1 and 3 are counted in pieces; item 2 is stocked in kilograms and bought by the pound.
    Supplier 2 has item 3, supplier 1 the others."""
    Uom, Party = Model.get("product.uom"), Model.get("party.party")
    unit, = Uom.find([("name", "=", "Unit")])
    kilogram, = Uom.find([("name", "=", "Kilogram")])
    pound, = Uom.find([("name", "=", "Pound")])
    first, second = (Party(name=f"Demo Supplier {n}", code=f"DS{n}") for n in (1, 2))
    first.save()
    second.save()
    return [
        stock_item(1, unit, unit, first, Decimal("1.1000"), category),
        stock_item(2, kilogram, pound, first, Decimal("3.1000"), category),
        stock_item(3, unit, unit, second, Decimal("2.50"), category)]


def stock_item(number, stocked, bought, supplier, price, category):
    """An item and what its supplier asks for it."""
    template = Model.get("product.template")(name=f"Demo Item {number}", code=f"DI{number}")
    template.type, template.list_price = "goods", Decimal("20")
    template.default_uom, template.purchasable, template.purchase_uom = stocked, True, bought
    template.account_category = category
    template.save()
    offer = template.product_suppliers.new()
    offer.party, offer.code = supplier, f"{supplier.code}-{number}"
    offer.lead_time = dt.timedelta(days=5)
    offer.prices.new(quantity=0, unit_price=price)
    template.save()
    return template.products[0]


def watch_stock(product, least, target):
    """An order point: below the least, fill up to the target."""
    warehouse, = Model.get("stock.location").find([("type", "=", "warehouse")])
    point = Model.get("stock.order_point")(type="purchase")
    point.product, point.location = product, warehouse
    point.min_quantity, point.target_quantity = least, target
    point.save()


def main():
    create_tables(urlparse(os.environ["TRYTOND_DATABASE_URI"]).path.strip("/"))
    proteus_config.set_trytond()
    found_company()
    items = stock_items(open_books())
    watch_stock(items[0], 20, 120)
    watch_stock(items[2], -1, 7)  # nobody needs it yet


if __name__ == "__main__":
    main()
