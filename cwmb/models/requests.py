"""The identity of a request."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from cwmb.types import Request


def request_hash(request: Request) -> str:
    """SHA-256 of a request's canonical JSON, in hex.

    The seed is part of it, so that the many askings of one prompt are told apart. Tools are not: they are another way
    to answer what the messages ask, and a provider may or may not offer them.
    """
    asked = asdict(request)
    del asked["tools"]
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
