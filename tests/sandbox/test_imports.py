"""The list of modules that programs may import."""

import re

from cwmb.benchmark.data import data_path
from cwmb.sandbox.imports import ALLOWED


def test_what_the_contract_promises_can_be_imported() -> None:
    contract = data_path("descriptions", "contract.md").read_text()
    sentence = re.search(r"Allowed imports:(.*?)\.\s", contract, re.DOTALL)
    assert sentence is not None
    promised = set(re.findall(r"`([a-z_]+)`", sentence.group(1)))
    assert len(promised) > 10
    assert promised <= ALLOWED


def test_nothing_that_reaches_outside_is_on_the_list() -> None:
    assert not ALLOWED & {"os", "ctypes", "socket", "subprocess", "importlib", "signal", "mmap", "gymnasium", "cwmb"}
