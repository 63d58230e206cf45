"""Answers as objects of the requested pydantic class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.core.response_model import read_answer
from pex.score.reading import NoJson, parse_json

if TYPE_CHECKING:
    import pandas as pd


def parsed_answers(frame: pd.DataFrame, model: type[Any] | Mapping[str, type[Any]]) -> pd.Series:
    """The outputs of a long frame as objects; None if there is no output, or it does not fit.

    Args:
        frame: the long frame.
        model: the pydantic class, or one for each prompt by its name.

    Raises:
        PexError: there is no class.

    Example:
        >>> import pandas, pydantic
        >>> class Review(pydantic.BaseModel):
        ...     label: str
        >>> frame = pandas.DataFrame({"prompt": "p", "output": ['{"label": "good"}', "good"]})
        >>> parsed_answers(frame, Review).tolist()
        [Review(label='good'), None]
    """
    import pandas as pd

    if isinstance(model, Mapping) and not model:
        raise PexError(
            "no prompt of this run has a response_model",
            hint="give the pydantic class: results.parse(Review)",
        )

    def parsed(prompt: str, output: Any) -> Any:
        wanted = model.get(prompt) if isinstance(model, Mapping) else model
        value = parse_json(output) if isinstance(output, str) else NoJson("there is no answer")
        if wanted is None or isinstance(value, NoJson):
            return None
        return read_answer(wanted, value)

    found = [parsed(*row) for row in zip(frame["prompt"], frame["output"], strict=True)]
    return pd.Series(found, index=frame.index, dtype=object, name="parsed")
