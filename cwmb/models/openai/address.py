"""Where an endpoint is, and what in the environment stands between it and us: proxies and certificates."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from cwmb.errors import CwmbError

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PROXIES = tuple(case(f"{scheme}_proxy") for scheme in ("http", "https", "all", "no") for case in (str.upper, str))


@dataclass(frozen=True)
class Address:
    """A base URL. host: its host; local: whether that is this machine."""

    url: str
    host: str
    local: bool

    @classmethod
    def of_environment(cls) -> Address:
        """What OPENAI_BASE_URL says, or OpenAI's own. Raises CwmbError: it is no address."""
        return cls.of(os.environ.get("OPENAI_BASE_URL", "").strip() or "https://api.openai.com/v1")

    @classmethod
    def of(cls, url: str) -> Address:
        """What a base URL says. Raises CwmbError: it is no address."""
        try:
            parts = urlsplit(url)
            host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
        except ValueError:
            host = None
        if host is None:
            raise CwmbError(f"OPENAI_BASE_URL {_without_secrets(url)!r} is no http(s) address; correct or unset it")
        return cls(url, host, _is_loopback(host))

    @contextmanager
    def usable(self) -> Iterator[None]:
        """While a client is made: what is wrong is a setting of the environment, which the error then names."""
        try:
            yield
        except Exception as error:
            names = CERTIFICATES if isinstance(error, OSError) else PROXIES
            found = {name: value for name in names if (value := os.environ.get(name))}
            if names is CERTIFICATES:
                found = dict(list(found.items())[:1])  # the second counts only without the first
            socks = {name: value for name, value in found.items() if value.lower().startswith("socks")}
            if isinstance(error, ImportError) and socks:
                found, fix = socks, "pip install socksio, or unset it"
            else:
                fix = "correct or unset it"
            said = ", ".join(f"{name}={_without_secrets(value)}" for name, value in found.items())
            if not said:
                raise CwmbError(f"no client for {_without_secrets(self.url)} can be set up: {error}") from None
            raise CwmbError(f"{said} cannot be used ({error}): {fix}") from None

    def unreachable(self, error: BaseException) -> str:
        """What to say where no connection came about."""
        said = " ".join(str(error).split()) or type(error).__name__
        where = self._proxy() or _place(self.url)
        if "refused" in said.lower():
            return f"connection refused by {where}"
        return f"the connection to {where} failed: {said}"

    def too_slow(self, error: BaseException | None) -> str:
        """What to say where something took too long: to connect, or to answer."""
        if type(error).__name__ == "ConnectTimeout":
            return f"no connection to {self._proxy() or _place(self.url)} in time"
        return "no answer in time"

    def advice(self) -> str:
        """What was asked, and what may be wrong with the address."""
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/")
        base = f"{parts.scheme}://{_place(self.url)}"
        asked = f"asked was {base}{path}/chat/completions"
        if path.endswith("/chat/completions"):
            return f"{asked}; set OPENAI_BASE_URL to {base}{path.removesuffix('/chat/completions')}"
        if not re.search(r"/v\d", path):
            return f"{asked}; OPENAI_BASE_URL may lack /v1: try {base}{path}/v1"
        return asked

    def _proxy(self) -> str:
        """The proxy on the way, and the variable that names it."""
        scheme = urlsplit(self.url).scheme
        proxies = getproxies()
        kind = next((kind for kind in (scheme, "all") if proxies.get(kind)), None)
        if kind is None or proxy_bypass(self.host):
            return ""
        names = [name for name in (f"{kind}_proxy".upper(), f"{kind}_proxy") if os.environ.get(name)]
        return f"{_place(proxies[kind])} (the proxy in {' or '.join(names)})"


def _place(url: str) -> str:
    """Host and port, without name and password."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or _without_secrets(url)


def _without_secrets(url: str) -> str:
    return re.sub("//.*@", "//***@", url)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
