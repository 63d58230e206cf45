"""The proxy for an address: the provider's own setting, else the environment's."""

from __future__ import annotations

import urllib.parse
import urllib.request

from pex.core.errors import PexError
from pex.core.network import clean_url, is_loopback
from pex.guard.redact import register


def proxy_for(url: str, setting: str | None, where: str) -> str | None:
    """The proxy for an address, None for a direct connection.

    A proxy of the environment never serves this machine itself, whatever NO_PROXY says.

    Args:
        url: the address.
        setting: the provider's `proxy`; "" is none, None is the environment's.
        where: the provider's place in the settings, for messages.

    Raises:
        PexError: the proxy is not one that speaks HTTP.

    Example:
        >>> proxy_for("https://api.example.com/v1", "proxy.lan:3128", "[providers.lab]")
        'http://proxy.lan:3128'
        >>> proxy_for("https://api.example.com/v1", "", "[providers.lab]")
    """
    if setting is not None:
        found, source = setting, f"{where} proxy"
    else:
        found, source = _of_environment(url)
    if not found:
        return None
    try:
        proxy = clean_url(found if "://" in found else f"http://{found}")
    except ValueError as error:
        hint = "pex uses HTTP proxies; SOCKS is not supported" * ("socks" in found)
        raise PexError(f"{source}: {error}", hint=hint or None) from None
    parts = urllib.parse.urlsplit(proxy)
    register(urllib.parse.unquote(parts.password or ""))
    return proxy


def _of_environment(url: str) -> tuple[str, str]:
    """What HTTPS_PROXY, NO_PROXY and the like say, and the name of the variable."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    proxies = urllib.request.getproxies()
    kind = parts.scheme if proxies.get(parts.scheme) else "all"
    if is_loopback(host) or not proxies.get(kind):
        return "", ""
    port = f":{parts.port}" if parts.port else ""
    if urllib.request.proxy_bypass(host + port):
        return "", ""
    return proxies[kind].strip(), f"the environment variable {kind.upper()}_PROXY"
