"""People at work in a made-up company: one business action per line read, done through Tryton's
own client and committed, and one JSON line written about it.

    TRYTOND_DATABASE_URI=postgresql://user:password@host:port/database python3 business.py

    < request_stock
    > {"action": "request_stock", "request": 1, "quantity": 120.0}

It ends when there is nothing more to read. Dates are fixed wherever Tryton asks for one.
"""

import datetime as dt
import json
import sys
from decimal import Decimal

from proteus import Model, Wizard
from proteus import config as proteus_config

ACTIONS = {}


def action(act):
    """Registers what a line of that name does."""
    ACTIONS[act.__name__] = act
    return act


class Desk:
    """What lies on the desk between two actions."""

    request = purchase = other = draft = shipment = None


def day(month, number):
    return dt.date(2026, month, number)


def party(code):
    return Model.get("party.party").find([("code", "=", code)])[0]


def item(code):
    return Model.get("product.product").find([("code", "=", code)])[0]


def new_shipment(note, delivered):
    """A delivery note: what came of which planned movement of the order."""
    shipment = Model.get("stock.shipment.in")()
    shipment.supplier, shipment.reference = party("DS1"), note
    shipment.effective_date = day(3, 9)
    for move, quantity in delivered:
        move.quantity = quantity
        shipment.incoming_moves.append(move)
    shipment.save()
    return shipment


def open_moves(purchase, code):
    """The movements planned for an item of an order that no delivery note names yet."""
    return Model.get("stock.move").find([
        ("purchase", "=", purchase.id), ("product", "=", item(code).id),
        ("state", "=", "draft"), ("shipment", "=", None)])


def about(purchase):
    """The rows of an order."""
    purchase.reload()
    return {
        "purchase": purchase.id, "number": purchase.number, "state": purchase.state,
        "shipment_state": purchase.shipment_state, "invoice_state": purchase.invoice_state,
        "lines": [line.id for line in purchase.lines]}


def about_shipment(desk):
    shipment = desk.shipment
    shipment.reload()
    return {
        "shipment": shipment.id, "number": shipment.number, "state": shipment.state,
        "incoming": [move.id for move in shipment.incoming_moves],
        "inventory": [move.id for move in shipment.inventory_moves]}


@action
def request_stock(desk):
    """The order point finds too little in stock. Done again, what nobody ordered yet is deleted
    and requested anew."""
    Wizard("stock.supply").execute("create_")
    desk.request, = Model.get("purchase.request").find([("state", "=", "draft")])
    return {"request": desk.request.id, "quantity": desk.request.quantity,
            "supply_date": desk.request.supply_date}


@action
def order_request(desk):
    Wizard("purchase.request.create_purchase", [desk.request])
    desk.request.reload()
    desk.purchase = desk.request.purchase
    return about(desk.purchase)


@action
def add_lines(desk):
    """Two lines of goods, of which one is a mistake, and a remark."""
    purchase = desk.purchase
    purchase.purchase_date, purchase.reference = day(3, 2), "quotation 17"
    for quantity in (26.4, 1.0):
        line = purchase.lines.new()
        line.product, line.quantity, line.unit_price = item("DI2"), quantity, Decimal("3.1000")
    remark = purchase.lines.new()
    remark.type, remark.description = "comment", "Deliver to gate 2"
    purchase.save()
    return about(purchase)


@action
def change_line(desk):
    line = desk.purchase.lines[0]
    line.unit_price = Decimal("1.05")
    desk.purchase.save()
    return about(desk.purchase)


@action
def delete_line(desk):
    purchase = desk.purchase
    mistake = [line for line in purchase.lines if line.quantity == 1.0][0]
    gone = mistake.id
    purchase.lines.remove(mistake)
    purchase.save()
    return {"line": gone, **about(purchase)}


@action
def quote(desk):
    desk.purchase.click("quote")
    return about(desk.purchase)


@action
def confirm(desk):
    desk.purchase.click("confirm")
    moves = [move.id for move in desk.purchase.moves]
    return {"moves": moves, **about(desk.purchase)}


@action
def announce_part(desk):
    """A delivery note over 50 of the 120 pieces."""
    move, = open_moves(desk.purchase, "DI1")
    desk.shipment = new_shipment("note 1", [(move, 50.0)])
    return about_shipment(desk)


@action
def announce_rest(desk):
    """Five pieces more than are open, and all the pounds."""
    pieces, = open_moves(desk.purchase, "DI1")
    pounds, = open_moves(desk.purchase, "DI2")
    delivered = [(pieces, pieces.quantity + 5), (pounds, pounds.quantity)]
    desk.shipment = new_shipment("note 2", delivered)
    return about_shipment(desk)


@action
def receive(desk):
    desk.shipment.click("receive")
    return {**about_shipment(desk), "purchase": about(desk.purchase)}


@action
def put_away(desk):
    desk.shipment.click("do")
    return about_shipment(desk)


@action
def count(desk):
    """Three pieces fewer than the books say."""
    storage, = Model.get("stock.location").find([("code", "=", "STO")])
    inventory = Model.get("stock.inventory")(location=storage, date=day(3, 31))
    inventory.empty_quantity = "keep"
    inventory.click("complete_lines")
    line = [line for line in inventory.lines if line.product.code == "DI1"][0]
    line.quantity = line.expected_quantity - 3
    inventory.click("confirm")
    line.reload()
    return {"inventory": inventory.id, "moves": [move.id for move in line.moves]}


@action
def invoice(desk):
    desk.purchase.reload()
    invoice = desk.purchase.invoices[0]
    invoice.invoice_date, invoice.reference = day(3, 10), "bill 1"
    invoice.click("post")
    return {"invoice": invoice.id, "number": invoice.number, **about(desk.purchase)}


@action
def request_other(desk):
    """From now on there are to be five pieces of item 3 at least."""
    point, = Model.get("stock.order_point").find([("product", "=", item("DI3").id)])
    point.min_quantity = 5
    point.save()
    return request_stock(desk)


@action
def quote_other(desk):
    Wizard("purchase.request.create_purchase", [desk.request])
    desk.request.reload()
    desk.other = desk.request.purchase
    desk.other.click("quote")
    return about(desk.other)


@action
def cancel_other(desk):
    desk.other.click("cancel")
    desk.request.reload()
    return {"request_state": desk.request.state, **about(desk.other)}


@action
def drop_request(desk):
    """Without an order nobody wants them any more."""
    handle = Wizard("purchase.request.handle.purchase.cancellation", [desk.request])
    handle.execute("cancel_request")
    desk.request.reload()
    return {"request": desk.request.id, "state": desk.request.state}


@action
def draft(desk):
    """An order nobody requested and nobody will send."""
    desk.draft = Model.get("purchase.purchase")()
    desk.draft.party, desk.draft.purchase_date = party("DS2"), day(3, 2)
    line = desk.draft.lines.new()
    line.product, line.quantity, line.unit_price = item("DI1"), 3.0, Decimal("2.50")
    desk.draft.save()
    return about(desk.draft)


@action
def delete_draft(desk):
    gone = about(desk.draft)
    desk.draft.delete()
    return gone


@action
def rename_item(desk):
    product = item("DI1")
    template = product.template
    template.name = "Demo Item 1, improved"
    template.save()
    return {"product": product.id, "template": template.id}


@action
def block_supplier(desk):
    supplier = party("DS2")
    supplier.active = False
    supplier.save()
    return {"party": supplier.id}


def main():
    proteus_config.set_trytond().skip_warning = True
    desk = Desk()
    print(json.dumps({"action": "open", "actions": list(ACTIONS)}), flush=True)
    for name in map(str.strip, sys.stdin):
        done = ACTIONS[name](desk)
        print(json.dumps({"action": name, **done}, default=str), flush=True)


if __name__ == "__main__":
    main()
