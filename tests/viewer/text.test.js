import assert from "node:assert/strict";
import test from "node:test";

import { readAddress, writeAddress } from "../../src/embclust/page/viewer/address.js";
import { csvCell, toCsv } from "../../src/embclust/page/viewer/csv.js";
import { safeLink } from "../../src/embclust/page/viewer/item-panel.js";
import { fold, search, searchIndex } from "../../src/embclust/page/viewer/search.js";
import { sample } from "./sample.js";

test("search folds case and accents, wants every word, and finds ids", () => {
  const index = searchIndex(sample());
  assert.equal(fold("ÉTÉ Ünï"), "ete uni");
  assert.deepEqual(search(index, "ete ROUGE"), [0]);
  assert.deepEqual(search(index, "rouge zz"), []);
  assert.deepEqual(search(index, "=f"), [5]);
  assert.equal(search(index, "  "), null);
});

test("text that a spreadsheet would run gets an apostrophe, numbers stay", () => {
  for (const text of [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "\n=1",
    "＝1",
    "=cmd|' /C calc'!A0",
  ]) {
    assert.ok(csvCell(text).replace(/^"/, "").startsWith("'"), JSON.stringify(text));
  }
  assert.equal(csvCell(-4.5), "-4.5");
  assert.equal(csvCell("a-b"), "a-b");
  assert.equal(csvCell('say "hi", you'), '"say ""hi"", you"');
  assert.equal(csvCell("two\nlines"), '"two\nlines"');
  assert.equal(csvCell(null), "");
});

test("a CSV has id, cluster, name and every column", () => {
  const lines = toCsv(sample(), [1, 2, 5]).split("\r\n");
  assert.deepEqual(lines, [
    "\uFEFFid,cluster,cluster_name,title,gender,price",
    'b,0,Shoes,"b, ""two""",Women,2',
    "c,0,Shoes,,Men,",
    "'=f,-1,Unclustered,f,Men,6",
    "",
  ]);
});

const defaults = { dims: 3, colour: "", query: "", theme: "auto", tab: "groups", selection: null };
const known = {
  dims: [2, 3],
  tabs: ["groups", "points", "item"],
  groupKeys: (by) =>
    new Map([
      ["", new Set(["0", "4"])],
      ["gender", new Set(["=Men", "=Women"])],
    ]).get(by) ?? null,
  rowOf: (id) => (id === "x&y#" ? 7 : null),
};

test("the address brings the same view back", () => {
  const state = {
    ...defaults,
    dims: 2,
    colour: "gender",
    query: "a&b=c #%",
    tab: "item",
    theme: "dark",
    filters: new Map([
      ["gender", new Set(["=Women", "=Men"])],
      ["", new Set(["4"])],
    ]),
    pinned: 7,
    cameras: { 2: [0.5, 0, 1, 0.5, 0, 0, 0, 1, 0] },
  };
  const text = writeAddress(state, defaults, () => "x&y#");
  assert.deepEqual(readAddress(`#${text}`, defaults, known), state);
  assert.equal(writeAddress(readAddress("", defaults, known), defaults, String), "");
});

test("an address from elsewhere cannot bring in what the page does not have", () => {
  const text =
    "#dims=9&colour=__proto__&f.gender=%3DCats&f.constructor=1&pin=nobody&tab=x&theme=y&camera=1,2,NaN";
  const state = readAddress(text, defaults, known);
  assert.deepEqual(state, { ...defaults, filters: new Map(), cameras: {}, pinned: null });
});

test("only http and https addresses are linked", () => {
  assert.equal(safeLink("https://example.com/a b"), "https://example.com/a%20b");
  for (const bad of [
    "javascript:alert(1)",
    " JaVaScRiPt:1",
    "data:text/html,x",
    "file:///etc",
    "//x",
    "",
    null,
    undefined,
  ]) {
    assert.equal(safeLink(bad), null, String(bad));
  }
});
