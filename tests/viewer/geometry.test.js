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
import { groupPoints } from "../../src/embclust/page/viewer/grouping.js";
import { withoutOverlaps } from "../../src/embclust/page/viewer/labels.js";
import { channels } from "../../src/embclust/page/viewer/palette.js";
import {
  multiply,
  rowAt,
  rowsInside,
  toScreen,
} from "../../src/embclust/page/viewer/projection.js";
import { buildStyles, litSize, pointSize } from "../../src/embclust/page/viewer/styles.js";
import { sample } from "./sample.js";

const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const WHOLE = { radius: 1, extent: [1, 1] };
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
  const camera = defaultCamera(2, SIZE, WHOLE);
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
    const matrix = flatMatrix(defaultCamera(2, size, WHOLE), size);
    for (const [x, y] of [
      [-1, -1],
      [1, 1],
    ]) {
      const { left, top } = toScreen(matrix, size, x, y, 0);
      assert.ok(left >= 0 && left <= size.width && top >= 0 && top <= size.height);
    }
    const { top } = toScreen(matrix, size, 0, -1, 0);
    assert.ok(top <= size.height - Math.min(68, size.height * 0.2) + 1, "clear of the tools");
  }
});

test("the default camera stands far enough away for the farthest point", () => {
  const radius = radiusOf({ x: [0, 3], y: [1, 0], z: [0, -4] });
  assert.equal(radius, 5);
  for (const aspect of [3, 1, 0.5]) {
    const [x, y, z] = defaultCamera(3, { width: 100 * aspect, height: 100 }, { radius });
    const halfAngle = Math.atan(Math.tan(Math.PI / 8) * Math.min(1, aspect));
    assert.ok(Math.hypot(x, y, z) * Math.sin(halfAngle) > radius);
  }
});

test("turning keeps the distance and never tips over", () => {
  const camera = defaultCamera(3, { width: 9, height: 9 }, WHOLE);
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

test("styles: the group's colour where a point is lit, faint elsewhere", () => {
  const grouping = groupPoints(sample(), "");
  const styles = buildStyles(grouping, Uint8Array.of(1, 0, 0, 1, 0, 1), "#102030");
  const look = (row) => [...styles.subarray(4 * row, 4 * row + 4)];
  const [shoes, hats, none] = grouping.groups.map(({ colour }) => channels(colour));
  assert.deepEqual(
    [look(0), look(3), look(5)],
    [
      [...shoes, 255],
      [...hats, 255],
      [...none, 255],
    ],
  );
  assert.deepEqual(look(1).slice(0, 3), [16, 32, 48]);
  assert.ok(look(1)[3] < 252 && look(1)[3] > 0);
});

test("points get smaller the more there are", () => {
  const sizes = [10, 1500, 10_000, 100_000].map((count) => pointSize(count, 2, 800));
  assert.deepEqual(
    [...sizes].sort((a, b) => b - a),
    sizes,
  );
  assert.ok(sizes[0] <= 11 && sizes[3] >= 2);
  assert.ok(litSize(100_000, 50, 2, 800, 1) > 1.5 * sizes[3]);
  assert.equal(litSize(100_000, 100_000, 2, 800, 1), sizes[3]);
  assert.equal(pointSize(10, 2, 800, 2), 2 * sizes[0]);
});
