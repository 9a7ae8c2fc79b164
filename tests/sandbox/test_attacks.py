"""Every attack fails, its report is right and useful, and the next program is healthy."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cwmb.sandbox import Sandbox

from .attacks import SECRET, Attack, attacks, problems


@dataclass(frozen=True)
class Targets:
    """What attacks are aimed at."""

    attacks: dict[str, Attack]
    folder: Path
    listeners: tuple[socket.socket, socket.socket]


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Targets]:
    folder = tmp_path_factory.mktemp("targets")
    secret = folder / "secret"
    secret.write_text("print('run')")
    secret.chmod(0o666)
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(name := f"\0cwmb-test-{os.getpid()}")
        for listener in (tcp, unix):
            listener.listen()
            listener.setblocking(False)
        found = attacks(secret, tcp.getsockname()[1], name)
        yield Targets({attack.name: attack for attack in found}, folder, (tcp, unix))


@pytest.fixture(scope="module")
def guarded(targets: Targets) -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, Sandbox(workers=1) as sandbox:
        patch.setenv("API_KEY", SECRET)
        yield sandbox


@pytest.mark.parametrize("name", [a.name for a in attacks(Path("/nowhere/secret"), 0, "")])
def test_attack(name: str, targets: Targets, guarded: Sandbox) -> None:
    assert problems(guarded, targets.attacks[name]) == []
    assert [(p.name, p.read_text()) for p in targets.folder.iterdir()] == [("secret", "print('run')")]
    for listener in targets.listeners:
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert not Path("/dev/shm/pwned").exists()
