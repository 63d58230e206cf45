"""Secrets in notebooks: each part of each cell is read, what machines made is not."""

from __future__ import annotations

import base64
import random

from pex.guard.known_keys import Known
from pex.guard.scan_notebook import scan_notebook

KEY = "ghp_" + "a8Kd03mZq71LwPx5Rt2Yb6Vn9Hc4Js"
NONE = Known([])


def cell(source="", outputs=(), **others):
    return {"cell_type": "code", "source": source, "outputs": list(outputs), **others}


def places(*cells, **metadata):
    found = scan_notebook({"cells": list(cells), "metadata": metadata}, NONE)
    assert all(KEY not in str(item) for item in found)
    return [item.place.partition(", line")[0] for item in found]


def test_every_part_of_a_notebook_is_read():
    shown = {
        "text/plain": [f"'{KEY}'"],
        "text/html": f"<b>{KEY}</b>",
        "application/json": {"a": KEY},
    }
    assert places(
        cell(["x = 1\n", f"key = '{KEY}'"]),
        {"cell_type": "markdown", "source": f"use {KEY}"},
        cell(outputs=[{"output_type": "execute_result", "data": shown}]),
        cell(outputs=[{"output_type": "error", "evalue": KEY, "traceback": ["File", KEY]}]),
        cell(metadata={"tags": [KEY]}),
        papermill={"parameters": {"token": KEY}},
        widgets={
            "application/vnd.jupyter.widget-state+json": {
                "state": {"1f": {"model_name": "TextModel", "state": {"value": KEY}}}
            }
        },
    ) == [
        "cell 1, source", "cell 2, source", "cell 3, output 1, text/plain",
        "cell 3, output 1, text/html", "cell 3, output 1, application/json, a",
        "cell 4, output 1, error", "cell 4, output 1, traceback", "cell 5, metadata, tags[0]",
        "metadata, papermill.parameters.token", "widget TextModel, value",
    ]  # fmt: skip


def test_what_was_printed_in_pieces_is_read_as_one():
    pieces = [
        {"output_type": "stream", "name": "stdout", "text": part} for part in (KEY[:9], KEY[9:])
    ]
    assert places(cell(outputs=pieces)) == ["cell 1, stdout"]


def test_the_name_of_a_parameter_tells_that_it_is_a_secret():
    assert places(
        papermill={"parameters": {"password": "s3cr3tv4lue", "max_tokens": "s3cr3tv4l"}}
    ) == ["metadata, papermill.parameters.password"]


def test_pictures_plots_and_ids_are_skipped():
    dice = random.Random(3)
    noise = base64.b64encode(dice.randbytes(2000)).decode() + f"+{KEY}"
    plot = {"data": [{"x": {"dtype": "f8", "bdata": noise}, "y": [0.1, 0.2]}]}
    shown = {"image/png": noise, "application/vnd.plotly.v1+json": plot,
             "text/html": f'<img src="data:image/png;base64,{noise}">'}  # fmt: skip
    widgets = {"state": {"a": {"model_name": "ImageModel", "state": {"value": noise}}}}
    assert (
        places(
            cell(outputs=[{"output_type": "display_data", "data": shown}], id=KEY), widgets=widgets
        )
        == []
    )


def test_a_broken_notebook_raises_nothing():
    for notebook in ([], None, {"cells": 3}, {"cells": [None, {"source": 5, "outputs": [1]}]}):
        assert scan_notebook(notebook, NONE) == []
