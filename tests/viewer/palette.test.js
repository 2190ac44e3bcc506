import assert from "node:assert/strict";
import test from "node:test";

import {
  channels,
  colourOf,
  DISTINCT,
  NOISE,
  OTHER,
  ramp,
} from "../../src/embclust/page/viewer/palette.js";

// Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
const VIEWS = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
};

const times = (matrix, vector) =>
  matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0));
const linear = (colour) =>
  channels(colour).map((c) =>
    c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
  );

function oklab(rgb) {
  const lms = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    rgb,
  );
  return times(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    lms.map((v) => Math.cbrt(Math.max(0, v))),
  );
}

function closest(colours, view) {
  const places = colours.map((colour) => oklab(times(VIEWS[view], linear(colour))));
  let least = Infinity;
  for (let i = 0; i < places.length; i += 1) {
    for (let j = 0; j < i; j += 1)
      least = Math.min(least, Math.hypot(...places[i].map((v, k) => v - places[j][k])));
  }
  return least;
}

test("colours stay apart, for colour-blind people too", () => {
  const first = (count) => Array.from({ length: count }, (_, i) => colourOf(i));
  // 0.02 in OKLab is about one just noticeable difference.
  assert.ok(closest([...first(8), NOISE], "normal") > 0.1);
  assert.ok(closest([...first(24), NOISE], "normal") > 0.05);
  for (const view of ["deuteranopia", "protanopia"]) {
    assert.ok(closest([...first(7), NOISE], view) > 0.04, view);
    assert.ok(closest([...first(24), NOISE], view) > 0.02, view);
  }
});

test("a number has one colour, valid and different, however many clusters there are", () => {
  const colours = Array.from({ length: 200 }, (_, i) => colourOf(i));
  for (const colour of [...colours, NOISE, OTHER]) assert.match(colour, /^#[0-9a-f]{6}$/);
  assert.ok(new Set(colours).size > 190);
  assert.ok(DISTINCT >= 20);
});

test("the ramp gets steadily lighter", () => {
  const light = [0, 0.2, 0.4, 0.6, 0.8, 1].map((x) => oklab(linear(ramp(x)))[0]);
  assert.deepEqual(
    [...light].sort((a, b) => a - b),
    light,
  );
  assert.equal(ramp(-1), ramp(0));
});
