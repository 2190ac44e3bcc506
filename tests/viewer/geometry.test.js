import assert from "node:assert/strict";
import test from "node:test";

import {
  defaultCamera,
  fromPlotly,
  panned,
  radiusOf,
  toPlotly,
  turned,
  zoomed,
} from "../../src/embclust/page/viewer/camera.js";
import { beside } from "../../src/embclust/page/viewer/card.js";
import { withoutOverlaps } from "../../src/embclust/page/viewer/labels.js";
import {
  multiply,
  rowAt,
  rowsInside,
  toScreen,
} from "../../src/embclust/page/viewer/projection.js";
import { buildTraces, pointSize } from "../../src/embclust/page/viewer/traces.js";
import { groupPoints } from "../../src/embclust/page/viewer/grouping.js";
import { sample } from "./sample.js";

const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const SIZE = { width: 200, height: 100 };
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

/** What gl-plot3d computes for a flat camera: a quarter of π of view, seen from above. */
function flatMatrix([x, y, distance], { width, height }) {
  const f = 1 / Math.tan(Math.PI / 8);
  const projection = [(f * height) / width, 0, 0, 0, 0, f, 0, 0, 0, 0, -1, -1, 0, 0, -0.02, 0];
  const view = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, -x, -y, -distance, 1];
  return multiply(projection, view);
}

test("matrices multiply column by column", () => {
  const move = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 3, 4, 5, 1];
  assert.deepEqual([...multiply(IDENTITY, move)], move);
  const scale = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];
  assert.deepEqual([...multiply(move, scale)].slice(12, 15), [3, 4, 5]);
  assert.deepEqual([...multiply(scale, move)].slice(12, 15), [6, 8, 10]);
});

test("the front-most dot under the pointer wins, else the closest within reach", () => {
  const matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 2];
  const layout = { x: [0, 0.02, 0.9], y: [0, 0, 0], z: [0.5, 0, 0] };
  const lit = Uint8Array.of(1, 1, 1);
  const middle = { left: 100, top: 50 };
  assert.equal(rowAt(matrix, SIZE, layout, lit, middle, 5, 12), 1);
  assert.equal(rowAt(matrix, SIZE, layout, lit, middle, 0.1, 12), 0);
  assert.equal(rowAt(matrix, SIZE, layout, Uint8Array.of(0, 0, 1), middle, 5, 12), -1);
});

test("the lasso takes what is inside, and only lit points", () => {
  const layout = { x: [0, 0.9, 0.1], y: [0, 0, 0], z: [0, 0, 0] };
  const box = [
    { left: 80, top: 30 },
    { left: 120, top: 30 },
    { left: 120, top: 70 },
    { left: 80, top: 70 },
  ];
  assert.deepEqual(rowsInside(IDENTITY, SIZE, layout, Uint8Array.of(1, 1, 1), box), [0, 2]);
  assert.deepEqual(rowsInside(IDENTITY, SIZE, layout, Uint8Array.of(0, 1, 1), box), [2]);
});

test("panning moves the map by exactly the pointer's way", () => {
  const camera = defaultCamera(2, 2, 1);
  const before = toScreen(flatMatrix(camera, SIZE), SIZE, 0.3, -0.2, 0);
  const after = toScreen(flatMatrix(panned(camera, 17, -9, SIZE.height), SIZE), SIZE, 0.3, -0.2, 0);
  near(after.left - before.left, 17);
  near(after.top - before.top, -9);
});

test("zooming keeps what is under the pointer there", () => {
  const camera = [0.1, 0.2, 2, 0.1, 0.2, 0, 0, 1, 0];
  const point = [0.25, 0.1, 0];
  const pixel = toScreen(flatMatrix(camera, SIZE), SIZE, ...point);
  const after = toScreen(flatMatrix(zoomed(camera, 3, pixel, SIZE), SIZE), SIZE, ...point);
  near(after.left, pixel.left);
  near(after.top, pixel.top);
  assert.ok(zoomed(camera, 1e9, pixel, SIZE)[2] >= 0.05);
});

test("the default flat camera shows the whole map, on narrow screens too", () => {
  for (const size of [SIZE, { width: 100, height: 300 }]) {
    const matrix = flatMatrix(defaultCamera(2, size.width / size.height, 1), size);
    for (const [x, y] of [
      [-1, -1],
      [1, 1],
    ]) {
      const { left, top } = toScreen(matrix, size, x, y, 0);
      assert.ok(left >= 0 && left <= size.width && top >= 0 && top <= size.height);
    }
  }
});

test("the default camera stands far enough away for the farthest point", () => {
  const radius = radiusOf({ x: [0, 3], y: [1, 0], z: [0, -4] });
  assert.equal(radius, 5);
  for (const aspect of [3, 1, 0.5]) {
    const [x, y, z] = defaultCamera(3, aspect, radius);
    const halfAngle = Math.atan(Math.tan(Math.PI / 8) * Math.min(1, aspect));
    assert.ok(Math.hypot(x, y, z) * Math.sin(halfAngle) > radius);
  }
});

test("turning keeps the distance and never tips over", () => {
  const camera = defaultCamera(3, 1, 1);
  const length = (c) => Math.hypot(c[0] - c[3], c[1] - c[4], c[2] - c[5]);
  near(length(turned(camera, 1, 0.2, 1)), length(camera));
  near(length(turned(camera, 0, 0, 2)), length(camera) / 2);
  const high = turned(camera, 0, 9, 1);
  assert.ok(Math.hypot(high[0], high[1]) > 0.01);
  assert.deepEqual(fromPlotly(toPlotly(camera)), camera);
});

test("the card stays inside the map", () => {
  const area = { width: 300, height: 200 };
  const box = { width: 100, height: 80 };
  for (const pixel of [
    [0, 0],
    [299, 0],
    [299, 199],
    [0, 199],
    [150, 100],
  ]) {
    const { left, top } = beside({ left: pixel[0], top: pixel[1] }, box, area);
    assert.ok(left >= 0 && left + 100 <= 300 && top >= 0 && top + 80 <= 200, String(pixel));
  }
});

test("labels that would overlap or leave the map are left out, the first ones stay", () => {
  const label = (left, top) => ({ left, top, width: 40, height: 10 });
  const wanted = [label(50, 50), label(60, 52), label(50, 80), label(5, 20)];
  assert.deepEqual(withoutOverlaps(wanted, SIZE), [true, false, true, false]);
});

test("traces: one per colour, unlit points apart, and not a word of the data in them", () => {
  const model = sample();
  const grouping = groupPoints(model, "");
  const parts = {
    layout: model.layouts[2],
    dims: 2,
    grouping,
    marks: [],
    ink: { unlit: "#bbb", mark: "#111" },
    side: 700,
  };
  const all = buildTraces({ ...parts, lit: new Uint8Array(6).fill(1) });
  assert.deepEqual(
    all.map(({ x, marker }) => [x.length, marker.color]),
    grouping.groups.map(({ count, colour }) => [count, colour]),
  );
  const some = buildTraces({ ...parts, lit: Uint8Array.of(1, 0, 0, 0, 0, 0), marks: [0, 1] });
  assert.deepEqual(
    some.map(({ x }) => x.length),
    [5, 1, 2, 1],
  );
  assert.doesNotMatch(JSON.stringify([...all, ...some]), /Shoes|Hats|rouge/);
});

test("points get smaller the more there are", () => {
  const sizes = [10, 1500, 10_000, 100_000].map((count) => pointSize(count, 2, 800));
  assert.deepEqual(
    [...sizes].sort((a, b) => b - a),
    sizes,
  );
  assert.ok(sizes[0] <= 11 && sizes[3] >= 2);
});
