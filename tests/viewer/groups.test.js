import assert from "node:assert/strict";
import test from "node:test";

import { narrowed, passing, rowsOf, toggled } from "../../src/embclust/page/viewer/filter.js";
import { groupable, groupPoints } from "../../src/embclust/page/viewer/grouping.js";
import { overRepresented } from "../../src/embclust/page/viewer/stats.js";
import { createView } from "../../src/embclust/page/viewer/view.js";
import { sample } from "./sample.js";

const brief = ({ groups }) => groups.map(({ label, count }) => `${label}:${count}`);

test("clusters keep their colour whatever other clusters there are", () => {
  const grouping = groupPoints(sample(), "");
  assert.deepEqual(brief(grouping), ["Shoes:3", "Hats:2", "Unclustered:1"]);
  const alone = sample({
    clusters: [{ number: 4, name: "Hats", size: 6, medoids: [] }],
    clusterOf: { type: "u8", data: "AAAAAAAA" },
  });
  assert.equal(groupPoints(alone, "").groups[0].colour, grouping.groups[1].colour);
  assert.deepEqual(brief(groupPoints(alone, "")), ["Hats:6"]);
});

test("a column that only repeats the id is nothing to group by", () => {
  const number = (name, ...values) => ({ name, kind: "number", values });
  const ids = ["7", "8", "9", "10", "11", "12"];
  const columns = [number("no", 7, 8, 9, 10, 11, 12), number("price", 7, 8, 9, 10, 11, 13)];
  const found = groupable(sample({ ids, columns }));
  assert.deepEqual(
    found.map(({ name }) => name),
    ["price"],
  );
});

test("columns group by value, empty cells last", () => {
  assert.deepEqual(brief(groupPoints(sample(), "gender")), ["Women:2", "Men:3", "(empty):1"]);
  assert.deepEqual(brief(groupPoints(sample(), "price")), [
    "-4.5:1",
    "1:1",
    "2:1",
    "5:1",
    "6:1",
    "(empty):1",
  ]);
  assert.equal(groupPoints(sample(), "title"), null);
  assert.equal(groupPoints(sample(), "nothing"), null);
  assert.deepEqual(
    groupable(sample()).map(({ name }) => name),
    ["gender", "price"],
  );
});

test("many numbers fall into twelve bins of equal width, the largest into the last", () => {
  const values = Array.from({ length: 121 }, (_, i) => i);
  const model = { count: 121, columns: [{ name: "n", kind: "number", values }] };
  const { groups, of } = groupPoints(model, "n");
  assert.deepEqual(
    groups.map(({ count }) => count),
    [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 11],
  );
  assert.equal(groups[0].label, "0 to 10");
  assert.equal(of[120], 11);
});

test("filters of several columns all hold, keys of one are alternatives", () => {
  const model = sample();
  const groupingOf = (by) => groupPoints(model, by);
  const rows = (filters) => [...rowsOf(passing(6, new Map(filters), groupingOf))];
  assert.deepEqual(rows([]), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(rows([["", new Set(["0"])]]), [0, 1, 2]);
  assert.deepEqual(
    rows([
      ["", new Set(["0", "-1"])],
      ["gender", new Set(["=Men"])],
    ]),
    [2, 5],
  );
  assert.deepEqual([...rowsOf(narrowed(Uint8Array.of(1, 0, 1), [1, 2]))], [2]);
});

test("a click isolates a group, a second one lets all back; with Ctrl it adds and removes", () => {
  const one = toggled(new Map(), "", "0", true);
  assert.deepEqual([...one.get("")], ["0"]);
  assert.equal(toggled(one, "", "0", true).size, 0);
  const two = toggled(one, "", "4", false);
  assert.deepEqual([...two.get("")], ["0", "4"]);
  assert.deepEqual([...toggled(two, "", "4", true).get("")], ["4"]);
  assert.deepEqual([...toggled(two, "", "0", false).get("")], ["4"]);
  assert.deepEqual([...one.get("")], ["0"], "the old filters are not changed");
});

test("over-represented values: telling ones, ranked, chance left out", () => {
  const codes = Uint8Array.from({ length: 1000 }, (_, row) => (row < 100 ? 0 : row < 200 ? 1 : 2));
  const even = Uint8Array.from({ length: 1000 }, (_, row) => row % 2);
  const price = Float64Array.from({ length: 1000 }, (_, row) => (row < 120 ? 5 : row));
  const model = {
    count: 1000,
    columns: [
      { name: "kind", kind: "category", values: ["shoe", "hat", "bag"], codes },
      { name: "coin", kind: "category", values: ["heads", "tails"], codes: even },
      { name: "price", kind: "number", values: price },
    ],
  };
  const groupings = ["kind", "coin", "price"].map((by) => groupPoints(model, by));
  const rows = Array.from({ length: 120 }, (_, i) => i);
  const found = overRepresented(groupings, rows, 5);
  const [price5, shoe] = found;
  assert.equal(price5.by, "price");
  assert.match(price5.label, /^5 to /, "numbers come in steps");
  assert.equal(price5.share, 1);
  assert.deepEqual([shoe.by, shoe.label, shoe.key], ["kind", "shoe", "=shoe"]);
  assert.ok(Math.abs(shoe.lift - 100 / 120 / 0.1) < 1e-9);
  assert.ok(found.every(({ by }) => by !== "coin"));
});

test("search, filters and selection narrow the view together", () => {
  const derive = createView(sample());
  const state = { query: "", colour: "", filters: new Map(), selection: null };
  assert.deepEqual([...derive(state).shownRows], [0, 1, 2, 3, 4, 5]);
  assert.deepEqual([...derive({ ...state, query: "ETE" }).shownRows], [0]);
  assert.deepEqual([...derive({ ...state, query: "zzz" }).shownRows], []);
  const filters = new Map([["gender", new Set(["=Men"])]]);
  assert.deepEqual([...derive({ ...state, filters, selection: [1, 2, 3] }).shownRows], [2, 3]);
});
