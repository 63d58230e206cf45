"""The prompt that a test names, and the variants of an experiment with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.errors import PexError, nearest
from pex.core.prompt import Prompt
from pex.core.variant import Variant, grid
from pex.library.reference import is_reference
from pex.library.resolve import resolve_beside

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment

Subject = str | Path | Prompt
"""A prompt, its file, `library:name@alias`, or the name of one of the experiment's prompts."""


def prompt_of(given: Subject, experiment: Experiment, root: Path) -> Prompt:
    """The prompt that a test names.

    Args:
        given: how it is named.
        experiment: the experiment whose prompts and library it is looked for in.
        root: the folder that a file's path starts from.

    Raises:
        PexError: there is no such file, reference or prompt.
    """
    if isinstance(given, Prompt):
        return given
    folder = experiment.path.parent if experiment.path else experiment.folder
    if isinstance(given, str) and is_reference(given):
        return resolve_beside(folder, given)
    known = {variant.prompt.name: variant.prompt for variant in experiment.variants}
    if isinstance(given, str) and given in known:
        return known[given]
    path = root / given
    if path.is_file() or isinstance(given, Path) or "/" in given or path.suffix:
        return Prompt.load(path)
    raise PexError(
        f"'{given}': experiment '{experiment.name}' has no such prompt", hint=nearest(given, known)
    )


def variants_with(experiment: Experiment, prompts: list[Prompt]) -> list[Variant]:
    """The experiment's models and parameters with other prompts.

    If the experiment's prompts name their models, so do these. Parameters that it gives to some of
    its variants only are given to all prompts.
    """
    own = experiment.variants
    listed = {variant.prompt: None for variant in own}
    if all(prompt in listed for prompt in prompts):
        return [variant for prompt in prompts for variant in own if variant.prompt == prompt]
    models = list(dict.fromkeys(variant.via or variant.model for variant in own))
    if all(variant.model == variant.prompt.model for variant in own):
        models = [] if all(prompt.model for prompt in prompts) else models  # each names its own
    params = []
    for variant in own:
        if dict(variant.params) not in params:
            params.append(dict(variant.params))
    return grid(prompts, models, params)
