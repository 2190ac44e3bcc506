/**
 * Plotly traces for a view. Pure. Only numbers and colours go into them: no text of the data ever
 * reaches Plotly, which reads some text as markup.
 */

import { BY_CLUSTER } from "./grouping.js";

/** Marker diameter in pixels that suits the number of points and the map's shorter side. */
export function pointSize(count, dims, side) {
  const room = Math.min(1, Math.max(0.6, side / 700));
  const size = room * Math.min(11, Math.max(2.4, 52 / Math.max(1, count) ** 0.28));
  return dims === 3 ? size * 0.85 : size;
}

/**
 * Traces: the unlit points in grey, one trace per colour for the lit ones, and rings around the
 * rows of `marks`, twice around the first. `lit` is a byte per point, `side` the map's shorter side.
 */
export function buildTraces({ layout, dims, grouping, lit, marks, ink, side }) {
  const byColour = new Map();
  const unlit = [];
  for (let row = 0; row < lit.length; row += 1) {
    if (!lit[row]) {
      unlit.push(row);
      continue;
    }
    const { colour } = grouping.groups[grouping.of[row]];
    if (!byColour.has(colour)) byColour.set(colour, []);
    byColour.get(colour).push(row);
  }
  const size = pointSize(lit.length, dims, side);
  const traces = [];
  if (unlit.length) {
    traces.push(points(layout, unlit, { size: size * 0.6, color: ink.unlit, opacity: 0.35 }));
  }
  for (const [color, rows] of byColour) {
    traces.push(
      points(layout, rows, { size, color, opacity: grouping.by === BY_CLUSTER ? 0.92 : 0.9 }),
    );
  }
  if (marks.length) {
    const ring = { size: size + 7, color: ink.mark, symbol: "circle-open", opacity: 1 };
    traces.push(points(layout, marks, ring));
    traces.push(points(layout, marks.slice(0, 1), { ...ring, size: size + 14 }));
  }
  return traces;
}

function points({ x, y, z }, rows, marker) {
  const pick = (axis) => Float32Array.from(rows, (row) => axis[row]);
  return {
    type: "scatter3d",
    mode: "markers",
    x: pick(x),
    y: pick(y),
    z: pick(z),
    hoverinfo: "skip",
    showlegend: false,
    marker: { line: { width: 0 }, ...marker },
  };
}
