"""Personal numbers and addresses leave a text; what it needs to be understood (dates, money, laws) stays."""

import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_chassis.masking import find, mask

MASKED = {
    # NIK: province, regency, district, birth date (women: day + 40), serial
    "NIK saya 6303051511900001": "NIK saya [NIK]",
    "KTP 6303055511900001.": "KTP [NIK].",
    "NIK: 63.03.05.151190.0001": "NIK: [NIK]",
    "NIK 6303 0515 1190 0001 milik warga": "NIK [NIK] milik warga",
    "6371-0341-0799-0002": "[NIK]",
    "６３０３０５１５１１９００００１": "[NIK]",
    # phones at home
    "hubungi 081234567890": "hubungi [phone]",
    "0812-3456-7890": "[phone]",
    "0812 3456 7890": "[phone]",
    "0812.3456.7890": "[phone]",
    "(0511) 3301234": "[phone]",
    "0511/3301234": "[phone]",
    "021 555 1234": "[phone]",
    "٠٨١٢٣٤٥٦٧٨٩٠": "[phone]",
    "0812\u200b3456\u200b7890": "[phone]",
    # phones from abroad
    "+62 812-3456-7890": "[phone]",
    "+6281234567890": "[phone]",
    "6281234567890": "[phone]",
    "+62 (0) 812 3456 7890": "[phone]",
    "0062 812 3456 7890": "[phone]",
    "wa.me/6281234567890": "wa.me/[phone]",
    "+1 (212) 555-0134": "[phone]",
    "(212) 555-0134": "[phone]",
    "+44 20 7946 0958": "[phone]",
    "+60 3-2161 2345": "[phone]",
    # two in one sentence
    "0812 3456 7890 atau 0813-1111-2222": "[phone] atau [phone]",
    # e-mail
    "warga@example.org": "[e-mail]",
    "tulis ke warga.contoh+lapor@dinas.example.go.id, terima kasih": "tulis ke [e-mail], terima kasih",
    "WARGA@EXAMPLE.ORG": "[e-mail]",
    "warga @ example.org": "[e-mail]",
    "warga@gmail": "[e-mail]",
    "mailto:warga@example.org?subject=x": "mailto:[e-mail]?subject=x",
    # accounts
    "rek. 1234567890 BCA": "rek. [account] BCA",
    "rekening BRI 0123-01-012345-53-1": "rekening BRI [account]",
    "Mandiri 1310012345678": "Mandiri [account]",
    "norek 7123 4567 89": "norek [account]",
    "NPWP 09.254.294.3-407.000": "NPWP [account]",
}

STAYS = """
tanggal 24 November 2026
tanggal 24-11-2026
24/11/2026 08:30
24.11.26
2026-11-24T08:30:00+08:00
lahir 15-11-1990
sejak 2019-2024
pukul 08.00 - 16.00
jam 08:00-16:00 WITA
Rp 1.500.000
Rp1.500.000,00
Rp 15.000.000.000
Rp. 250000
IDR 12,500,000
1.500.000 rupiah
sebesar 25.000.000 untuk
UU No. 25 Tahun 2009
UU Nomor 37 Tahun 2008 pasal 12 ayat (3)
UU 25/2009 jo. UU 37/2008
Perpres 76/2013
Permenpan 62/2018
Nomor 060/1234/SETDA/2026
No surat 005/2345-Umum/2026
Jalan A. Yani Km 36.500
RT.003/RW.012
kode pos 70714
-3.442356, 114.830112
tiket 2026-000123
call 311 or 911
123 MAIN STREET APT 4B 10001
10 orang, 25 rumah
nol delapan satu dua
2 @ 5rb
""".strip().splitlines()


@pytest.mark.parametrize(("text", "expected"), MASKED.items())
def test_what_names_a_person_is_masked(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize("text", STAYS)
def test_what_a_text_needs_stays(text: str) -> None:
    assert mask(text) == text


SEPARATED = st.sampled_from(["", " ", "-", "."])


@st.composite
def niks(draw: st.DrawFn) -> str:
    """Province to district, day (women + 40), month, year, serial."""
    day = draw(st.integers(1, 31)) + draw(st.sampled_from([0, 40]))
    parts = [
        f"{draw(st.integers(11, 94))}{draw(st.integers(1, 79)):02}{draw(st.integers(1, 40)):02}",
        f"{day:02}{draw(st.integers(1, 12)):02}{draw(st.integers(0, 99)):02}",
        f"{draw(st.integers(1, 9999)):04}",
    ]
    return draw(SEPARATED).join(parts)


@st.composite
def phones(draw: st.DrawFn) -> str:
    start = draw(st.sampled_from(["08", "+628", "628", "00628"]))
    first = start + draw(st.text(string.digits, min_size=2, max_size=2))
    rest = [draw(st.text(string.digits, min_size=4, max_size=4)), draw(st.text(string.digits, min_size=3, max_size=4))]
    return draw(SEPARATED).join([first, *rest])


@st.composite
def emails(draw: st.DrawFn) -> str:
    letters = string.ascii_letters + string.digits
    local = draw(st.text(letters, min_size=4, max_size=12))
    return f"{local}@{draw(st.text(string.ascii_lowercase, min_size=3, max_size=8))}.example.org"


ACCOUNTS = st.text("123456789", min_size=10, max_size=15)
SECRETS = st.one_of(niks(), phones(), emails(), ACCOUNTS)
WORDS = st.sampled_from(
    ["jalan rusak", "sejak lama,", "tolong.", "NIK:", "hubungi", "(warga)", "streets\n", "a/n", "—", "ke"]
)
BETWEEN = st.sampled_from([" ", ", ", "\n", "; ", ": ", " ("])


@given(st.lists(st.tuples(WORDS, BETWEEN, SECRETS, BETWEEN), min_size=1, max_size=4))
def test_no_secret_survives(parts: list[tuple[str, str, str, str]]) -> None:
    masked = mask("".join(word + before + secret + after + word for word, before, secret, after in parts))
    left = "".join(character for character in masked if character.isdigit())
    for _, _, secret, _ in parts:
        if "@" in secret:
            assert secret not in masked
        else:
            assert "".join(filter(str.isdigit, secret)) not in left


MESSY = st.text(
    st.one_of(st.sampled_from("0123456789 +-./()@,\n[]Rp\u200b"), st.characters(codec="utf-8")), max_size=120
)


@given(MESSY)
def test_masking_again_changes_nothing(text: str) -> None:
    once = mask(text)
    assert mask(once) == once
    assert find(once) == []


@pytest.mark.parametrize("piece", ["((((11.08", "08(", "1.", "+1 ", "a@", "62 ", "08.00 ", "a@b@", "0/1", "  1"])
def test_text_made_to_hide_numbers_behind_each_other_is_masked_all_the_same(piece: str) -> None:
    once = mask((piece * 2000)[:2000])
    assert mask(once) == once
    assert find(once) == []


@given(MESSY)
def test_spans_are_in_order_and_apart(text: str) -> None:
    spans = find(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))
