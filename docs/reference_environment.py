"""The page about environment variables: which ones pex reads, and which it sets for others."""

from __future__ import annotations

from pex.run.providers import BUILT_IN

# Each group: its heading, a sentence about it, and its variables with what they are for.
GROUPS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "MLflow",
        "They come before `[record]` and `[library]` in `pex.toml`; what you set in Python "
        "(`mlflow.set_tracking_uri`) comes before both.",
        {
            "MLFLOW_TRACKING_URI": "Where runs are recorded, instead of the project's `mlruns/`.",
            "MLFLOW_REGISTRY_URI": "Where the prompts of the library are, if not in the same "
            "store.",
            "MLFLOW_EXPERIMENT_ID": "The MLflow experiment that runs are recorded in, instead of "
            "the one with the experiment's name.",
            "MLFLOW_EXPERIMENT_NAME": "The same by name.",
            "MLFLOW_WORKSPACE": "The workspace in a registry that several teams share.",
            "MLFLOW_TRACKING_USERNAME": "The user name for a tracking server.",
            "MLFLOW_TRACKING_PASSWORD": "The password for it.",
            "MLFLOW_TRACKING_TOKEN": "A token for it, also for the pages of `pexlab ui`.",
            "MLFLOW_TRACKING_AUTH": "MLflow's own plug-in for logins; the library then reads the "
            "registry with MLflow.",
            "MLFLOW_TRACKING_AWS_SIGV4": "The same for signed requests to AWS.",
            "MLFLOW_TRACKING_SERVER_CERT_PATH": "A file with the certificates that the server's "
            "own one is checked with.",
            "MLFLOW_TRACKING_CLIENT_CERT_PATH": "Your own certificate, if the server asks for one.",
            "MLFLOW_TRACKING_INSECURE_TLS": "`true`: do not check the server's certificate.",
            "MLFLOW_SERVER_ALLOWED_HOSTS": "Further host names under which `pexlab ui` may be "
            "opened, separated by commas.",
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "Pages of other hosts that may read from "
            "`pexlab ui`, separated by commas.",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "`true`: `pexlab ui` runs MLflow's jobs, which "
            "are off otherwise.",
            "MLFLOW_DISABLE_TELEMETRY": "pex sets it to `true`, unless you have set a value.",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "pex sets it to `false`, unless you have set "
            "a value.",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "pex sets it to `true`, unless you have set "
            "a value.",
        },
    ),
    (
        "pex",
        "",
        {
            "PEX_TRUST": "`1`: run a project that directs keys without asking (for CI); or the "
            "fingerprint of exactly what is trusted. See "
            "[projects from elsewhere](../projects-from-elsewhere.md).",
            "PEX_MODEL_IDLE_S": "After how many idle seconds the built-in model's server ends; "
            "by default 600.",
        },
    ),
    (
        "Set by a batch for its notebooks",
        "`pexlab batch` sets them and `exp.run()` reads them. Set them yourself only to run one "
        "notebook as a batch would.",
        {
            "PEX_BATCH_ID": "The id of the batch.",
            "PEX_JOB_ID": "The id of the job within it.",
            "PEX_PLAN": "The name of the plan.",
            "PEX_PLAN_FOLDER": "The folder of the plan.",
            "PEX_JOURNAL": "Whether answers are reused: `reuse`, `fresh` or `off`.",
            "PEX_TAGS": "Tags for its runs in MLflow, as JSON.",
            "PEX_BATCH_BUDGET_USD": "The budget of the whole batch, in USD.",
            "PEX_REPEATS_TIMES": "By how much repeats are multiplied "
            "(`on_undecided: extend`).",
        },
    ),
    (
        "Set by pex for its own processes",
        "You need not set them; they are listed so that you know what they are.",
        {
            "PEX_KEY_NAMES": "The names of variables with keys, which a batch removes from "
            "outputs.",
            "PEX_NIGHT_LOG": "Where the log of a scheduled night is.",
            "PEX_NIGHT_NEXT": "When the next night starts.",
            "PEX_UI_TOKEN": "The token of the pages of `pexlab ui`.",
            "PEX_MODEL_SERVER_KEY": "The key of the built-in model's server.",
            "PEX_LOCAL_KEY": "In code that the Playground shows: the variable for the key of "
            "`pexlab model serve`.",
        },
    ),
    (
        "Network and machine",
        "",
        {
            "HTTPS_PROXY": "The proxy for calls, unless a provider has its own in `pex.toml`; "
            "`HTTP_PROXY` and `ALL_PROXY` likewise.",
            "NO_PROXY": "Hosts that are reached without the proxy. This machine always is.",
            "REQUESTS_CA_BUNDLE": "Certificates for the library's registry, if "
            "`MLFLOW_TRACKING_SERVER_CERT_PATH` is not set; `CURL_CA_BUNDLE` likewise. For "
            "providers, set `ca_bundle` in `pex.toml`.",
            "OPENAI_API_VERSION": "The `api-version` of Azure, unless `pex.toml` has one.",
            "DO_NOT_TRACK": "pex sets it to `1`, unless you have set a value.",
            "TZ": "The time zone of `pexlab schedule`, unless `--timezone` is given.",
            "JUPYTERHUB_USER": "Your name on ratings, decisions and versions; else the system's.",
            "XDG_CONFIG_HOME": "The folder of your configuration, with what you trust; by default "
            "`~/.config`.",
            "XDG_CACHE_HOME": "The folder of caches, for prompts that are loaded outside a "
            "project; by default `~/.cache`.",
        },
    ),
)  # fmt: skip

_TABLE = "| variable | |\n|---|---|\n"


def listed() -> set[str]:
    """Every variable that the page names in a table of its own."""
    keys = {name for _, *row in _providers() for name in row if name}
    return keys.union(*(group for _, _, group in GROUPS))


def _providers() -> list[tuple[str, str, str]]:
    return [
        (name, provider.key_env or "", provider.base_url_env or "")
        for name, provider in BUILT_IN.items()
        if provider.key_env or provider.base_url_env
    ]


def page() -> str:
    """The page as Markdown."""
    parts = [
        "# Environment variables\n"
        "What you can set in the environment of Jupyter, of the command line and of scheduled "
        "nights, instead of in a file. A variable that pex reads and that is not listed here is "
        "one that you named yourself, in a key such as `api_key_env`, `url_env` or `webhook_env` "
        "of `pex.toml`, `plan.yaml` or `monitor.yaml`.\n",
        "## Keys and addresses of providers\n"
        "Keys can also be in `.pex/keys.env` or the system keyring "
        "([in which order](../own-endpoint.md#keys)). A provider that is not listed needs no key; "
        "one of your own names its variable in `pex.toml`.\n\n"
        "| provider | key | address |\n|---|---|---|\n"
        + "\n".join(
            f"| `{name}` | {_code(key)} | {_code(address)} |" for name, key, address in _providers()
        )
        + "\n",
    ]
    for heading, about, variables in GROUPS:
        rows = "\n".join(f"| `{name}` | {text} |" for name, text in variables.items())
        parts.append(f"## {heading}\n" + (f"{about}\n\n" if about else "") + _TABLE + rows + "\n")
    return "\n".join(parts)


def _code(name: str) -> str:
    return f"`{name}`" if name else ""
