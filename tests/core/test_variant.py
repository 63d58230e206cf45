import pytest

import pex


def prompt(name: str, **options: object) -> pex.Prompt:
    return pex.Prompt(f"{name} {{{{ x }}}}", name=name, **options)


@pytest.mark.parametrize(
    ("models", "params", "names"),
    [
        (["local/smollm2"], [{"temperature": 0}], ["short", "long"]),
        (
            ["openai/gpt-4.1-mini", "local/smollm2"],
            [],
            ["short|gpt-4.1-mini", "short|smollm2", "long|gpt-4.1-mini", "long|smollm2"],
        ),
        (
            ["openai/m", "azure/m"],
            [],
            ["short|openai/m", "short|azure/m", "long|openai/m", "long|azure/m"],
        ),
        (
            ["a/b"],
            [{"temperature": 0, "seed": 1}, {"temperature": 1, "seed": 1}],
            [
                "short|temperature=0",
                "short|temperature=1",
                "long|temperature=0",
                "long|temperature=1",
            ],
        ),
    ],
)
def test_names(models: list[str], params: list[dict], names: list[str]) -> None:
    assert [v.name for v in pex.grid([prompt("short"), prompt("long")], models, params)] == names


def test_models_and_parameters_together() -> None:
    names = [v.name for v in pex.grid(prompt("s"), ["a/x", "a/y"], [{"temperature": 0}, {}])]
    assert names == ["s|x|temperature=0", "s|x", "s|y|temperature=0", "s|y"]


def test_the_prompts_own_model_and_parameters() -> None:
    own = prompt("p", model="a/own", params={"temperature": 1, "max_tokens": 5})
    variant = pex.Variant(own, params={"temperature": 0})
    assert (variant.model, variant.all_params) == ("a/own", {"temperature": 0, "max_tokens": 5})
    assert pex.grid(own)[0].model == "a/own"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pex.grid([prompt("p")], ["gpt-4.1-mini"]), "'openai/gpt-4.1-mini'"),
        (lambda: pex.grid([prompt("p")]), "no model is given"),
        (lambda: pex.grid([], ["a/b"]), "no prompts"),
        (lambda: pex.grid([prompt("p"), prompt("p")], "a/b"), "two variants are called 'p'"),
        (lambda: pex.Variant("text", "a/b"), "needs a pex.Prompt"),
    ],
)
def test_bad_grids(make: object, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        make()
