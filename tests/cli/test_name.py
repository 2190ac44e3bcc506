"""`embclust name`: models behind an address, word lists, fields, and what leaves the machine."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.running import HASHING, Ran, good, index_texts, run, texts, things, write_csv
from tests.namers.openai_stub import BAD_REPLIES, Answer, Stub, chat, error, running

TABLE = Path("t.csv")
RESULTS = Path(".embclust/collections/title")
KEY = "sk-canary-0123456789"


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of texts, its workspace and three clusters."""
    folder = tmp_path_factory.mktemp("indexed")
    texts(folder / TABLE, "--workspace", folder / ".embclust")
    good("cluster", "--k", 3, "--workspace", folder / ".embclust")
    return folder


@pytest.fixture(autouse=True)
def _copy(indexed: Path, _isolated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(indexed, Path.cwd(), dirs_exist_ok=True)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def said(body: dict[str, Any]) -> dict[str, Any]:
    content = body["messages"][1]["content"]
    found: dict[str, Any] = json.loads(content if isinstance(content, str) else content[0]["text"])
    return found


def first_words(body: dict[str, Any]) -> Answer:
    return chat(json.dumps({"name": " ".join(said(body)["group"]["examples"][0].split()[:2])}))


def asking(stub: Stub, *more: object, **options: object) -> list[object]:
    given = {"base_url": stub.url, "timeout": 1, "retries": 0, "deadline": 6, **options}
    sets = [text for name, value in given.items() for text in ("--set", f"name.{name}={value}")]
    return ["name", "--kind", "openai", *sets, *more]


def names(ran: Ran) -> list[str]:
    return [one["name"] for one in ran.json["names"]]


def everything() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize("bad", BAD_REPLIES)
def test_whatever_a_server_answers_every_cluster_gets_a_good_name(bad: str) -> None:
    with running(lambda _: BAD_REPLIES[bad]) as stub:
        began = time.monotonic()
        ran = good(*asking(stub, "--json"))
        # Importing the library takes seconds on a busy machine; that is not the naming.
        assert time.monotonic() - began < 60
        assert ran.json["seconds"] < 30
    found = names(ran)
    assert len({name.casefold() for name in found}) == 3
    for name in found:
        assert 3 <= len(name) <= 40
        assert re.search("red|blue|green", name.casefold()), name
    sources = [one["source"] for one in ran.json["names"]]
    assert all(source.startswith("fallback: ") for source in sources), sources
    assert len(ran.json["warnings"]) >= 1
    kept = b"".join(everything().values())
    for text in (ran.out, ran.err, kept.decode("latin-1")):
        assert "canary" not in text


def test_a_good_server_is_asked_once_and_again_only_with_force() -> None:
    with running(first_words) as stub:
        found = names(good(*asking(stub, "--json")))
        assert sorted(found) == ["blue summer", "green cotton", "red leather"]
        assert names(good(*asking(stub, "--json"))) == found
        (RESULTS / "names.json").unlink()
        assert names(good(*asking(stub, "--json"))) == found
        assert len(stub.requests) == 3
        good(*asking(stub, "--force"))
        assert len(stub.requests) == 6
    assert KEY.encode() not in b"".join(everything().values())


def test_the_clusters_that_have_a_name_are_not_asked_about() -> None:
    with running(first_words) as stub:
        good(*asking(stub))
        path = RESULTS / "names.json"
        content = json.loads(path.read_text("utf-8"))
        content["names"]["1"]["name"] = "Mine"
        path.write_text(json.dumps(content), "utf-8")
        assert "Mine" in names(good(*asking(stub, "--json", language="German")))
        assert len(stub.requests) == 5
        good(*asking(stub, "--json", language="German", deadline=5, price_in=3))
        assert len(stub.requests) == 5, "what it costs and how long it takes changes no name"


def kept_answers() -> int:
    try:
        with contextlib.closing(
            sqlite3.connect("file:.embclust/naming.sqlite?mode=ro", uri=True)
        ) as db:
            return int(db.execute("SELECT count(*) FROM kept").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_kill_loses_no_answer() -> None:
    def answers(body: dict[str, Any]) -> Answer:
        answer = first_words(body)
        return answer if len(stub.requests) < 3 else Answer(answer.body, wait=60.0)

    with running(answers) as stub:
        command = asking(stub, concurrency=1, timeout=60, deadline=60)
        with subprocess.Popen(
            [sys.executable, "-m", "embclust", *map(str, command)], stderr=subprocess.DEVNULL
        ) as process:
            # An answer is on disk a moment after it came, while the next is waited for.
            while len(stub.requests) < 3 or kept_answers() < 2:
                assert process.poll() is None
                time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
        assert not (RESULTS / "names.json").exists()
        stub.answers = first_words
        good(*asking(stub))
        assert len(stub.requests) == 4


def test_a_dry_run_says_what_would_leave_and_changes_nothing() -> None:
    with running(first_words) as stub:
        before = everything()
        ran = good(*asking(stub, "--dry-run", "--json", price_in=1.0, price_out=2.0))
        plain = good(*asking(stub, "--dry-run", "--max-calls", 1))
        assert everything() == before
        assert stub.requests == []
        plan = ran.json
        good(*asking(stub))
        sent = [[message["content"] for message in body["messages"]] for body in stub.requests]
    assert sorted(call["texts"] for call in plan["calls"]) == sorted(sent)
    assert plan["host"] == stub.url.split("/")[2]
    assert plan["leaves_machine"] is False, "the host is this machine"
    assert plan["tokens_in"] == sum(call["tokens_in"] for call in plan["calls"]) > 0
    assert plan["price"] == pytest.approx((plan["tokens_in"] + 2 * plan["tokens_out"]) / 1e6)
    assert "1 call to 127.0.0.1" in plain.out
    assert "price not known" in plain.out
    assert "Over name.max_calls, so with keyword names: 2 clusters." in plain.out
    assert sent[0][1] in plain.out
    for text in (ran.out, ran.err, plain.out, plain.err):
        assert "canary" not in text


def test_a_dry_run_elsewhere_offline_and_with_nothing_to_do() -> None:
    away = good("name", "--kind", "openai", "--dry-run", "--json").json
    assert (away["host"], away["leaves_machine"], len(away["calls"])) == ("api.openai.com", True, 3)
    here = good("name", "--dry-run", "--json").json
    assert (here["kind"], here["leaves_machine"], here["calls"]) == ("keywords", False, [])
    assert "Nothing leaves this machine." in good("name", "--dry-run").out
    run("name", "--dry-run", "--k", 4).refused(2, "would have to be made", "embclust cluster")
    assert not (RESULTS / "names.json").exists()


def test_calls_are_limited_and_strict_is_strict() -> None:
    with running(first_words) as stub:
        ran = good(*asking(stub, "--max-calls", 2, "--json"))
        assert len(stub.requests) == 2
        sources = sorted(one["source"] for one in ran.json["names"])
        assert sources == ["fallback: name.max_calls (2) was reached", "openai", "openai"]
        assert "name.max_calls (2)" in ran.json["warnings"][0]
        run(*asking(stub, "--max-calls", 0, "--strict", "--force")).refused(4, "max_calls")
        good(*asking(stub))
        assert len(stub.requests) == 3


def pictured(folder: Path) -> None:
    colours = ("red", "green", "blue")
    rows = []
    for n in range(15):
        Image.new("RGB", (60, 40), colours[n % 3]).save(folder / f"{n}.png")
        rows.append({"id": f"p{n}", "photo": f"{n}.png", "note": f"{colours[n % 3]} thing {n}"})
    table = write_csv(folder / "pictures.csv", rows)
    good("index", table, "--id", "id", "--image", "photo", *HASHING)
    good("cluster", "--collection", "photo", "--k", 3)


def test_pictures_go_to_a_model_that_sees(tmp_path: Path) -> None:
    pictured(tmp_path)
    which = ("--collection", "photo", "--pictures")
    with running(lambda _: chat(f'{{"name": "Seen {len(stub.requests)}"}}')) as stub:
        plan = good(*asking(stub, *which, "--dry-run", "--json")).json
        assert all(len(call["pictures"]) == 1 for call in plan["calls"]), "equal ones once"
        ran = good(*asking(stub, *which, "--json"))
    assert all(name.startswith("Seen ") for name in names(ran))
    assert ran.json["warnings"] == []
    seen = set()
    for body in stub.requests:
        parts = body["messages"][1]["content"]
        data = parts[-1]["image_url"]["url"].removeprefix("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(data))) as sheet:
            assert sheet.format == "JPEG"
            middle = sheet.convert("RGB").getpixel((sheet.width // 2, sheet.height // 2))
        colour = said(body)["group"]["examples"][0].split()[0]
        assert isinstance(middle, tuple)
        expected = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255)}[colour]
        assert all(abs(a - b) < 40 for a, b in zip(middle, expected, strict=True)), middle
        seen.add(colour)
    assert seen == {"red", "green", "blue"}


def test_a_server_that_refuses_pictures_names_from_words(tmp_path: Path) -> None:
    pictured(tmp_path)

    def answers(body: dict[str, Any]) -> Answer:
        if isinstance(body["messages"][1]["content"], list):
            return error(400, "image_url is not supported by this model")
        return first_words(body)

    with running(answers) as stub:
        ran = good(*asking(stub, "--collection", "photo", "--pictures", "--json", "--strict"))
    assert sorted(names(ran)) == ["blue thing", "green thing", "red thing"]
    assert ["takes no pictures" in line for line in ran.json["warnings"]] == [True]


def test_names_can_come_from_other_fields_than_the_card() -> None:
    shown = ("--text-field", "title")
    assert names(good("name", "--name-field", "colour", "--json"))[0] in {"Red", "Blue", "Green"}
    run("name", "--name-field", "color").refused(2, "name.fields", "Did you mean 'colour'?")
    # A field that is to be shown is named from, whatever names were made from before.
    assert all(" " in name for name in names(good("name", *shown, "--json")))
    good("plot", "--set", "name.fields=[colour]", *shown)
    assert set(names(good("name", "--json"))) == {"Red", "Blue", "Green"}


def test_a_word_list_names_texts_by_their_own_model(tmp_path: Path) -> None:
    listed = tmp_path / "words.txt"
    listed.write_text("shoe\nsummer\nbag\ncar\n", "utf-8")
    options = ("--kind", "vocabulary", "--set", f"name.vocabulary={listed}")
    ran = good("name", *options, "--json")
    assert sorted(names(ran)) == ["Bag", "Shoe", "Summer"]
    assert {one["source"] for one in ran.json["names"]} == {"vocabulary"}
    listed.write_text("leather\nsummer\ncotton\n", "utf-8")
    assert sorted(names(good("name", *options, "--json"))) == ["Cotton", "Leather", "Summer"]
    column = ("--kind", "vocabulary", "--set", "name.vocabulary=null")
    by_colour = good("name", *column, "--set", "name.vocabulary_field=colour", "--json")
    assert sorted(names(by_colour)) == ["Blue", "Green", "Red"]
    run("name", *column, "--set", "name.vocabulary_field=size").refused(2, "no row has a field")


def test_words_are_compared_with_vectors_of_their_own_model_only(tmp_path: Path) -> None:
    other = good("name", "--kind", "vocabulary", "--set", "encoders.text.dim=64", "--json")
    assert "vectors of different models cannot be compared" in other.json["warnings"][0]
    assert len(set(names(other))) == 3
    pictured(tmp_path)
    blind = good("name", "--collection", "photo", "--kind", "vocabulary", "--json")
    assert "no text side" in blind.json["warnings"][0]
    strict = run("name", "--collection", "photo", "--kind", "vocabulary", "--strict")
    strict.refused(4, "no text side")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"names": {\n "0": "A"\n "1": "B"}}', "line 3"),
        (b'{"names": {\n\n "0": "\xff"}}', "line 3"),
        (b'{"names": {"0": "A", "0": "B"}}', "'0' is there twice"),
        (b'{"names": {"0": 5}}', "cluster 0"),
        (b'{"names": {"0": {"name": ["A"]}}}', "cluster 0"),
        (b'{"names": {"zero": "A"}}', "'zero'"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_broken_edit_is_pointed_at_and_kept(content: bytes, said: str) -> None:
    good("name")
    path = RESULTS / "names.json"
    path.write_bytes(content)
    run("name").refused(2, "names.json", said)
    run("plot").refused(2, "names.json", said)
    assert path.read_bytes() == content


def test_an_edit_for_no_cluster_is_said() -> None:
    good("name")
    path = RESULTS / "names.json"
    content = json.loads(path.read_text("utf-8"))
    content["names"]["33"] = "Shoes"
    path.write_text(json.dumps(content), "utf-8-sig")
    assert "'Shoes' for cluster 33" in good("name", "--json").json["warnings"][0]
    index_texts(write_csv(TABLE, things(range(30))))


def test_a_namer_from_outside_gets_what_it_needs_and_can_say_what_it_sends() -> None:
    Path("mine.py").write_text(
        """
from pydantic import BaseModel

class Mine:
    needs = ("embed_texts", "memory")
    class Options(BaseModel):
        word: str = "red"
    def __init__(self, options, *, embed_texts, memory):
        self.options, self.embed_texts, self.memory = options, embed_texts, memory
    def name(self, samples):
        vector = self.embed_texts([self.options.word])[0]
        near = max(samples, key=lambda s: float(s.centre @ vector))
        self.memory.put("calls", str(int(self.memory.get("calls") or 0) + 1))
        return {s.cluster: ["Near" if s is near else f"Far {s.cluster}"] for s in samples}

class Greedy(Mine):
    needs = ("money",)
""",
        "utf-8",
    )
    Path("c.yaml").write_text("name: {kind: 'mine:Mine'}\n", "utf-8")
    found = good("name", "c.yaml", "--json").json["names"]
    near = next(one["cluster"] for one in found if one["name"] == "Near")
    by_words = {
        one["cluster"]: one["name"]
        for one in good("name", "--kind", "keywords", "--json").json["names"]
    }
    assert "Red" in by_words[near]
    plan = good("name", "c.yaml", "--force", "--dry-run", "--json").json
    assert plan["leaves_machine"] is None
    assert "does not say" in good("name", "c.yaml", "--force", "--dry-run").out
    run("name", "c.yaml", "--kind", "mine:Greedy").refused(2, "needs 'money'")
