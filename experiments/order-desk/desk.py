"""The tools of the order desk, on a made world: the case's `world`, anew for each answer."""

from __future__ import annotations

from typing import Any


def look_up_order(order_id: str, world: dict[str, Any]) -> dict[str, Any] | str:
    """Look up an order: its customer, address, status and total."""
    order: dict[str, Any] | None = world["orders"].get(order_id)
    return order or f"there is no order {order_id}"


def change_address(order_id: str, address: str, world: dict[str, Any]) -> str:
    """Change where an order is sent, as long as it is open."""
    order = _order(order_id, world)
    if order["status"] != "open":
        raise ValueError(f"order {order_id} is {order['status']}: its address cannot be changed")
    order["address"] = address
    return "changed"


def cancel_order(order_id: str, world: dict[str, Any]) -> str:
    """Cancel an order, as long as it is open."""
    order = _order(order_id, world)
    if order["status"] != "open":
        raise ValueError(f"order {order_id} is {order['status']}: it cannot be cancelled")
    order["status"] = "cancelled"
    return "cancelled"


def refund(order_id: str, amount: float, world: dict[str, Any]) -> str:
    """Pay back money for an order that came back, at most its total."""
    order = _order(order_id, world)
    if order["status"] != "returned":
        raise ValueError(f"order {order_id} is {order['status']}: nothing to pay back")
    if not 0 < amount <= order["total"]:
        raise ValueError(f"order {order_id} was {order['total']:.2f}: {amount:.2f} does not fit")
    order["status"], order["refunded"] = "refunded", amount
    return f"{amount:.2f} paid back"


def _order(order_id: str, world: dict[str, Any]) -> dict[str, Any]:
    order: dict[str, Any] | None = world["orders"].get(order_id)
    if order is None:
        raise ValueError(f"there is no order {order_id}")
    return order
