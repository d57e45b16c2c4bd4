"""Random damage to the files of a store: an InputError or a reason, and never another value."""

import copy
import dataclasses
import json
import math
import random

import page_store
import pytest
from page_store import SEARCH

from bilevel_core.cli.fits import fit_all
from bilevel_core.errors import InputError
from bilevel_core.record import RunRecord
from bilevel_core.report import write_table
from bilevel_core.report.page.inventory import missed
from bilevel_core.sweep import keys, store, tunings
from bilevel_core.sweep.run_file import Damaged, enveloped
from bilevel_core.tuning import Tuning

INPUTS = 300
"""Of each kind; ten times as many, tried by hand, found nothing either."""
HOSTILE = (
    None, True, "x", "\ud800", "", "\x1b[2J", -1, 0, 1, 2.5, -2.5, 10**400, 2**63, 1e308, math.inf,
    math.nan, [], {}, [1], ["x"], [[]], {"x": 1}, {"": None}, [None, {}], "0" * 1000,
)  # fmt: skip
DEEP = json.loads("[" * 200 + "]" * 200)


@pytest.fixture(scope="module")
def record():
    return page_store.planted(page_store.config())


def bytes_changed(raw, random):
    """Some bytes flipped, cut, doubled or moved."""
    content = bytearray(raw)
    place, length = random.randrange(len(content)), random.randrange(1, 40)
    match random.randrange(5):
        case 0:
            for _ in range(random.randrange(1, 4)):
                content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        case 1:
            del content[place:]
        case 2:
            del content[place : place + length]
        case 3:
            content[place:place] = content[place : place + length]
        case 4:
            content[place : place + 1] = random.choice([b"1e999", b"NaN", b"[" * 2000, b"9" * 5000])
    return bytes(content)


def value_changed(content, random):
    """The same JSON with one value, anywhere, removed, renamed or replaced."""
    found = copy.deepcopy(content)
    holder, places = found, []
    while isinstance(holder, dict | list) and holder:
        place = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        places.append((holder, place))
        holder = holder[place]
    holder, place = random.choice(places)
    action = random.randrange(8)
    if action == 0:
        del holder[place]
    elif action == 1 and isinstance(holder, dict):
        holder[random.choice(["", "x", "eps", "calls"])] = holder.pop(place)
    elif action == 2 and isinstance(holder[place], int | float):
        holder[place] *= 0.5
    else:
        holder[place] = random.choice([*HOSTILE, DEEP])
    return found


def enveloped_anyway(content):
    """An envelope with the right checksum, even around what JSON does not have."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f'{{"format":1,"checksum":"{keys.digest(text)}","record":{text}}}\n'


def test_damaged_run_files_are_seen(record, tmp_path):
    path = store.write(tmp_path, record)
    raw, source = path.read_bytes(), random.Random(1)
    for _ in range(INPUTS):
        path.write_bytes(bytes_changed(raw, source))
        found, summary = store.read(path), store.read_summary(path)
        assert isinstance(found, Damaged) or found == record
        assert isinstance(summary, Damaged) or summary == dataclasses.replace(record, trajectory=[])


def test_damaged_searches_are_seen(tmp_path):
    tunings.write(tmp_path, SEARCH)
    (path,) = tunings.paths(tmp_path)
    assert tunings.load(path) == SEARCH
    raw, source = path.read_bytes(), random.Random(2)
    for _ in range(INPUTS):
        path.write_bytes(bytes_changed(raw, source))
        found = tunings.load(path)
        assert isinstance(found, Damaged) or found == SEARCH


def test_searches_with_a_right_checksum_and_wrong_content_are_seen(tmp_path):
    path = tunings.path_of(tmp_path, SEARCH.key)
    path.parent.mkdir()
    content, source = json.loads(json.dumps(SEARCH.to_dict())), random.Random(3)
    for _ in range(INPUTS):
        path.write_text(enveloped_anyway(value_changed(content, source)))
        found = tunings.load(path)
        if isinstance(found, Tuning):
            assert enveloped(found.to_dict())  # all of it is JSON
            assert float(found.spent["cost"]) >= 0
            assert found.summary()


def test_records_with_a_right_checksum_and_wrong_content_hurt_nobody(record, tmp_path, monkeypatch):
    content, source = json.loads(json.dumps(record.to_dict())), random.Random(4)
    others = list(page_store.records(("aid_bio",)))
    path = tmp_path / "runs" / "aa" / "aa.json"
    path.parent.mkdir(parents=True)
    # Whoever writes such a file names it rightly.
    monkeypatch.setattr(store, "key", lambda config: (keys.key(config), path.stem)[1])
    accepted = 0
    for _ in range(INPUTS):
        path.write_text(enveloped_anyway(value_changed(content, source)))
        found = store.read(path)
        if isinstance(found, Damaged):
            assert len(str(found)) <= 300
            continue
        accepted += 1
        missed(found)
        if accepted % 20 == 0:
            show([*others, found])
    assert 0 < accepted < INPUTS


def show(records):
    """All that tables and fits do with records."""
    frame = store.to_frame([row for record in records for row in record.rows()])
    fit_all(frame, ("outer", "gc_f"), "auto")
    for style in ("md", "csv"):
        write_table(frame, style)


@pytest.mark.parametrize("wrong", [{}, [], None, "x", {"config": None}, {"config": {}}], ids=repr)
def test_what_is_no_record_at_all_is_an_input_error(wrong):
    for cls in (RunRecord, Tuning):
        with pytest.raises(InputError):
            cls.from_dict(wrong)
