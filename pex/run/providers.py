"""The built-in OpenAI-compatible providers; `pex.toml` can add and change some."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider is, and how it takes the key.

    `base_url_env` and `key_env` name environment variables; `prices` is the provider's name in
    the table of `genai-prices`; a `free` provider runs on the user's own machine.
    """

    base_url: str | None
    key_env: str | None = None
    base_url_env: str | None = None
    key_header: str = "Authorization"
    prices: str | None = None
    free: bool = False


LOCAL = "local"

BUILT_IN: dict[str, Provider] = {
    LOCAL: Provider(None, free=True),
    "openai": Provider(
        "https://api.openai.com/v1", "OPENAI_API_KEY", "OPENAI_BASE_URL", prices="openai"
    ),
    "azure": Provider(
        None, "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", key_header="api-key", prices="azure"
    ),
    "anthropic": Provider("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", prices="anthropic"),
    "gemini": Provider(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        prices="google",
    ),
    "mistral": Provider("https://api.mistral.ai/v1", "MISTRAL_API_KEY", prices="mistral"),
    "groq": Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY", prices="groq"),
    "together": Provider("https://api.together.xyz/v1", "TOGETHER_API_KEY", prices="together"),
    "openrouter": Provider(
        "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", prices="openrouter"
    ),
    "deepseek": Provider("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", prices="deepseek"),
    "ollama": Provider("http://127.0.0.1:11434/v1", base_url_env="OLLAMA_BASE_URL", free=True),
    "lmstudio": Provider("http://127.0.0.1:1234/v1", free=True),
    "vllm": Provider("http://127.0.0.1:8000/v1", "VLLM_API_KEY", "VLLM_BASE_URL", free=True),
    "llamacpp": Provider("http://127.0.0.1:8080/v1", "LLAMA_API_KEY", free=True),
}
