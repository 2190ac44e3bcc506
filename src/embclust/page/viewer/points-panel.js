/** The list of the points shown: search hits, filtered or selected ones. Download as CSV. */

import { createFilter } from "./column-filter.js";
import { toCsv } from "./csv.js";
import { fill, h, swatch } from "./dom.js";
import { number } from "./format.js";
import { clusterName, labelOf } from "./model.js";
import { colourOf, NOISE } from "./palette.js";

const PAGE = 60;

/** `app` as main.js makes it. Returns { element, update }. */
export function createPointsPanel(app) {
  const { model } = app;
  const title = h("h2", {});
  const save = h(
    "button",
    { type: "button", onclick: () => download(app, app.derived().shownRows) },
    "Save as CSV",
  );
  const saveAll = h(
    "button",
    {
      type: "button",
      onclick: () =>
        download(
          app,
          Uint32Array.from(model.ids, (_, row) => row),
        ),
    },
    "Save all",
  );
  const filter = createFilter(app);
  const list = h("ul", { class: "points" });
  const more = h("button", { type: "button", class: "wide", onclick: () => grow() }, "Show more");
  const element = h("div", { class: "panel" }, [
    h("div", { class: "bar" }, title, h("div", { class: "saves" }, save, saveAll)),
    filter.element,
    list,
    more,
  ]);
  let rows = null;
  let length = 0;

  function grow() {
    const next = [...rows.slice(length, length + PAGE)];
    list.append(...next.map((row) => pointItem(app, row)));
    length += next.length;
    more.hidden = length >= rows.length;
  }

  function update(state, derived) {
    filter.update(state);
    const { shownRows } = derived;
    if (shownRows === rows) return;
    rows = shownRows;
    length = 0;
    const all = rows.length === model.count;
    title.textContent = all
      ? `All ${number(rows.length)} points`
      : `${number(rows.length)} of ${number(model.count)} points`;
    fill(list, []);
    save.disabled = rows.length === 0;
    saveAll.hidden = all;
    grow();
    if (!rows.length)
      fill(list, [h("li", { class: "quiet" }, "Nothing matches. Remove a filter above the map.")]);
  }

  return { element, update };
}

function pointItem(app, row) {
  const { model, thumbs } = app;
  const cluster = model.clusters[model.clusterOf[row]];
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "point",
        onclick: () => app.pin(row),
        onpointerenter: () => app.mark(row),
        onpointerleave: () => app.mark(null),
      },
      model.pictures ? thumbs.picture(row, "") : null,
      h(
        "span",
        { class: "words" },
        h("span", { class: "text" }, labelOf(model, row)),
        h(
          "span",
          { class: "quiet" },
          swatch(cluster ? colourOf(cluster.number) : NOISE),
          clusterName(model, row),
        ),
      ),
    ),
  );
}

/** Offer the rows as a CSV file. */
function download(app, rows) {
  const blob = new Blob([toCsv(app.model, rows)], { type: "text/csv;charset=utf-8" });
  const href = URL.createObjectURL(blob);
  const name = `${app.model.collection.replace(/[^\w.-]+/g, "_").slice(0, 80) || "points"}.csv`;
  const link = h("a", { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
