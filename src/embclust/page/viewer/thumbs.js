/** Pictures, cut out of the sheets they were packed in. */

import { decodeCodes } from "./decode.js";
import { h } from "./dom.js";

/**
 * Returns { has(row), picture(row, label) }. A picture is a canvas that is painted once its sheet is
 * decoded; a row without one gets a neutral tile. Sheets are read when first needed.
 */
export function createThumbs(tiles, readSheets) {
  const rows = tiles ? decodeCodes(tiles.rows) : null;
  const sizes = tiles ? decodeCodes(tiles.sizes) : null;
  const images = new Map();
  let sheets = null;

  function sheet(index) {
    if (!images.has(index)) {
      sheets ??= readSheets();
      const image = new Image();
      image.src = sheets[index];
      images.set(
        index,
        image.decode().then(() => image),
      );
    }
    return images.get(index);
  }

  const has = (row) => Boolean(rows?.[row]);

  function picture(row, label) {
    if (!has(row)) {
      return h("span", { class: "picture none", role: "img", "aria-label": "no picture" });
    }
    const tile = rows[row] - 1;
    const each = tiles.across * tiles.across;
    const [left, top] = [(tile % each) % tiles.across, Math.floor((tile % each) / tiles.across)];
    const [width, height] = [sizes[2 * tile], sizes[2 * tile + 1]];
    const canvas = h("canvas", {
      class: "picture",
      role: "img",
      "aria-label": label,
      width,
      height,
    });
    sheet(Math.floor(tile / each))
      .then((image) => {
        const from = [left * tiles.side, top * tiles.side, width, height];
        canvas.getContext("2d").drawImage(image, ...from, 0, 0, width, height);
        canvas.dataset.painted = "yes";
      })
      .catch(() => canvas.classList.add("none"));
    return canvas;
  }

  return { has, picture };
}
