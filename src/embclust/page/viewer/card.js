/** What is said about one point: the card under the pointer, and the same for a pinned point. */

import { fill, h, swatch } from "./dom.js";
import { cell, clusterName, labelOf, leadColumns } from "./model.js";
import { colourOf, NOISE } from "./palette.js";

const GAP = 16;

/** The lines "cluster" and "column: value" of a row. */
export function facts(model, row, columns) {
  const cluster = model.clusters[model.clusterOf[row]];
  const label = labelOf(model, row);
  const lines = columns
    .map((column) => [column.name, cell(column, row)])
    .filter(([, value]) => value !== null && value !== label);
  return [
    h(
      "p",
      { class: "in-cluster" },
      swatch(cluster ? colourOf(cluster.number) : NOISE),
      clusterName(model, row),
    ),
    h(
      "dl",
      {},
      lines.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))),
    ),
  ];
}

/** The card that follows the pointer, in `host`. show(row, pixel, grouping) and hide(). */
export function createCard(host, model, thumbs) {
  const card = h("div", { class: "card", hidden: true });
  host.append(card);
  let shown = -1;

  function show(row, pixel, grouping) {
    if (row !== shown) {
      shown = row;
      const columns = leadColumns(model).slice(0, 6);
      const colouring = model.columns.find(({ name }) => name === grouping.by);
      if (colouring && !columns.includes(colouring)) columns.push(colouring);
      const label = labelOf(model, row);
      fill(card, [
        model.pictures ? h("div", { class: "frame" }, thumbs.picture(row, label)) : null,
        h("div", { class: "words" }, h("h2", {}, label), facts(model, row, columns)),
      ]);
    }
    card.hidden = false;
    const size = { width: host.clientWidth, height: host.clientHeight };
    const place = beside(pixel, { width: card.offsetWidth, height: card.offsetHeight }, size);
    card.style.transform = `translate(${place.left}px, ${place.top}px)`;
  }

  function hide() {
    shown = -1;
    card.hidden = true;
  }

  return { show, hide };
}

/** Top left of a box beside a pixel, flipped and pushed so that it stays inside `area`. Pure. */
export function beside(pixel, box, area) {
  const flip = (at, length, room) => {
    const after = at + GAP;
    const start = after + length <= room ? after : at - GAP - length;
    return Math.max(4, Math.min(start, room - length - 4));
  };
  return {
    left: flip(pixel.left, box.width, area.width),
    top: flip(pixel.top, box.height, area.height),
  };
}
