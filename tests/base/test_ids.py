"""Public ids: what was signed here is known again, all else is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_runner.ids import MAX_ID, PublicIds

IDS = PublicIds("the secret")
NUMBERS = st.integers(1, MAX_ID)
KINDS = st.sampled_from(["task", "file", ""])


@given(KINDS, NUMBERS)
def test_what_is_signed_is_known_again(kind: str, number: int) -> None:
    signed = IDS.sign(kind, number)
    assert IDS.verify(kind, signed) == number
    assert IDS.sign(kind, str(number)) == signed
    assert IDS.sign(kind, signed) == signed
    assert PublicIds("the secret").sign(kind, number) == signed


@given(KINDS, NUMBERS)
def test_the_mac_is_written_in_base32(kind: str, number: int) -> None:
    key = hashlib.sha256(b"app-runner public id\0the secret").digest()
    digest = hmac.digest(key, f"{kind}:{number}".encode(), "sha256")
    text = base64.b32encode(digest[:16]).decode().rstrip("=").lower()
    assert IDS.sign(kind, number) == f"{number}-{text}"


@given(NUMBERS)
def test_an_id_is_good_for_its_kind_and_secret_only(number: int) -> None:
    signed = IDS.sign("task", number)
    assert IDS.verify("file", signed) is None
    assert PublicIds("another secret").verify("task", signed) is None


@given(NUMBERS, NUMBERS)
def test_the_mac_of_one_id_does_not_open_another(one: int, other: int) -> None:
    mac = IDS.sign("task", one).partition("-")[2]
    assert IDS.verify("task", f"{other}-{mac}") == (other if one == other else None)


@given(NUMBERS, st.data())
def test_a_changed_letter_is_noticed(number: int, data: st.DataObject) -> None:
    signed = IDS.sign("task", number)
    position = data.draw(st.integers(signed.index("-") + 1, len(signed) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
    changed = signed[:position] + letter + signed[position + 1 :]
    # The last letter carries only 3 of its 5 bits; the text as a whole is compared.
    assert IDS.verify("task", changed) == (number if changed == signed else None)


@given(st.text())
def test_any_text_is_refused_without_an_error(value: str) -> None:
    assert IDS.verify("task", value) is None


MAC = IDS.sign("task", 1).partition("-")[2]


@pytest.mark.parametrize(
    "value",
    [
        "1",
        f"-1-{MAC}",
        f"0-{MAC}",
        f"01-{MAC}",
        f"1-{MAC}\n",
        f" 1-{MAC}",
        f"1-{MAC.upper()}",
        f"١-{MAC}",
        f"{MAX_ID + 1}-{MAC}",
        "9" * 10_000 + f"-{MAC}",
        f"1-{MAC}a",
        f"1-{MAC[:-1]}",
    ],
)
def test_malformed_ids_are_refused(value: str) -> None:
    assert IDS.verify("task", value) is None


@pytest.mark.parametrize(
    "value", [0, -1, MAX_ID + 1, "", "x", "1.5", "١", "-1", None, 1.5, True, "1-x", b"1"]
)
def test_what_is_no_id_cannot_be_signed(value: Any) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        IDS.sign("task", value)


def test_a_huge_number_cannot_be_signed_and_costs_nothing() -> None:
    for huge in ("9" * 5000, 10**5000, -(10**5000)):
        with pytest.raises(ValueError, match="is not an id"):
            IDS.sign("task", huge)


def test_a_foreign_signature_is_passed_on_and_refused_when_it_comes_back() -> None:
    foreign = PublicIds("other").sign("task", 5)
    assert IDS.sign("task", foreign) == foreign
    assert IDS.verify("task", foreign) is None
