/** Cluster names on the flat map. */

import { h } from "./dom.js";
import { toScreen } from "./projection.js";

/** Pixels at the foot of the map that the tools take. */
const BELOW = 52;

/**
 * Which labels are shown where: those asked for first win, and none overlaps another or leaves the
 * map. `wanted` is [{ left, top, width, height }], the middle of each and its size; the result has
 * true for the shown ones. Pure.
 */
export function withoutOverlaps(wanted, size, gap = 3) {
  const taken = [];
  return wanted.map((label) => {
    const box = {
      left: label.left - label.width / 2 - gap,
      right: label.left + label.width / 2 + gap,
      top: label.top - label.height / 2 - gap,
      bottom: label.top + label.height / 2 + gap,
    };
    const out = box.left < 0 || box.top < 0 || box.right > size.width || box.bottom > size.height;
    const hit = taken.some(
      (other) =>
        box.left < other.right &&
        other.left < box.right &&
        box.top < other.bottom &&
        other.top < box.bottom,
    );
    if (out || hit) return false;
    taken.push(box);
    return true;
  });
}

/** Labels in `host`, one per cluster, largest first; `place(matrix, size, lit)` puts them. */
export function createLabels(host, model) {
  const labels = model.clusters
    .map((cluster, index) => ({ index, row: anchor(model, cluster, index), cluster }))
    .filter(({ row }) => row !== null)
    .sort((a, b) => b.cluster.size - a.cluster.size)
    .map((label) => ({ ...label, element: h("span", { class: "label" }, label.cluster.name) }));
  host.append(...labels.map(({ element }) => element));

  let counted = null;
  let seen = new Set();

  function place(matrix, size, lit) {
    const layout = model.layouts[2];
    if (lit !== counted) {
      counted = lit;
      seen = new Set();
      for (let row = 0; row < lit.length; row += 1) if (lit[row]) seen.add(model.clusterOf[row]);
    }
    const wanted = labels.filter(({ index }) => seen.has(index));
    for (const { element } of labels) element.hidden = true;
    for (const { element } of wanted) element.hidden = false;
    const boxes = wanted.map(({ element, row }) => ({
      ...toScreen(matrix, size, layout.x[row], layout.y[row], 0),
      width: element.offsetWidth,
      height: element.offsetHeight,
    }));
    const shown = withoutOverlaps(boxes, { ...size, height: size.height - BELOW });
    wanted.forEach(({ element }, i) => {
      element.hidden = !shown[i];
      element.style.transform = `translate(${boxes[i].left}px, ${boxes[i].top}px) translate(-50%, -50%)`;
    });
  }

  function hide() {
    for (const { element } of labels) element.hidden = true;
  }

  return { place, hide };
}

function anchor(model, cluster, index) {
  if (cluster.medoids.length) return cluster.medoids[0];
  const row = model.clusterOf.indexOf(index);
  return row < 0 ? null : row;
}
