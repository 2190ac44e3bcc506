import assert from "node:assert/strict";
import test from "node:test";

import { decodeCodes } from "../../src/embclust/page/viewer/decode.js";
import {
  cell,
  clusterName,
  labelOf,
  leadColumns,
  neighboursOf,
} from "../../src/embclust/page/viewer/model.js";
import { sample } from "./sample.js";

test("layouts are decoded to -1..1, flat ones with z = 0", () => {
  const { x, y, z } = sample().layouts[2];
  assert.deepEqual(
    [...x].map((v) => Math.round(v * 100)),
    [-100, 100, 0, 0, 0, 50],
  );
  assert.deepEqual([...y].map(Math.round), [0, 0, 1, -1, 0, 0]);
  assert.deepEqual([...z], [0, 0, 0, 0, 0, 0]);
});

test("codes of every width are little-endian", () => {
  const data = Buffer.from([1, 2, 3, 4, 0, 0, 1, 0]).toString("base64");
  assert.deepEqual([...decodeCodes({ type: "u8", data })], [1, 2, 3, 4, 0, 0, 1, 0]);
  assert.deepEqual([...decodeCodes({ type: "u16", data })], [513, 1027, 0, 1]);
  assert.deepEqual([...decodeCodes({ type: "u32", data })], [0x04030201, 0x00010000]);
});

test("a row is called by its first filled lead text, else by its id", () => {
  const model = sample();
  assert.equal(labelOf(model, 0), "Été rouge");
  assert.equal(labelOf(model, 2), "c");
  assert.deepEqual(
    leadColumns(sample({ textFields: [] })).map(({ name }) => name),
    ["title", "gender", "price"],
  );
});

test("cells and clusters of rows without one", () => {
  const model = sample();
  assert.equal(cell(model.columns[1], 4), null);
  assert.equal(cell(model.columns[2], 2), null);
  assert.equal(clusterName(model, 3), "Hats");
  assert.equal(clusterName(model, 5), "Unclustered");
});

test("neighbours leave out the places that are empty", () => {
  assert.deepEqual(neighboursOf(sample(), 0), [1, 2]);
  assert.deepEqual(neighboursOf(sample(), 3), [4]);
  assert.deepEqual(neighboursOf(sample({ neighbours: null }), 3), []);
});
