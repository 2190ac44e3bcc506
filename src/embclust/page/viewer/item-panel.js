/** The pinned point: its picture, all its fields, and its nearest neighbours. */

import { facts } from "./card.js";
import { fill, h } from "./dom.js";
import { cell, labelOf, neighboursOf } from "./model.js";
import { rowButton } from "./row-button.js";

/** `app` as main.js makes it. Returns { element, update }. */
export function createItemPanel(app) {
  const { model, thumbs } = app;
  const element = h("div", { class: "panel" });
  let shown;

  function update(state) {
    if (state.pinned === shown) return;
    const focusInside = element.contains(document.activeElement);
    shown = state.pinned;
    fill(element, shown === null ? hint() : content(shown));
    if (focusInside) element.querySelector("h2")?.focus();
  }

  function content(row) {
    const label = labelOf(model, row);
    const neighbours = neighboursOf(model, row);
    const link = safeLink(model.links[row]);
    return [
      h(
        "div",
        { class: "bar" },
        h("h2", { tabindex: "-1" }, label),
        h("button", { type: "button", onclick: () => app.pin(null) }, "Unpin"),
      ),
      model.pictures ? h("div", { class: "frame large" }, thumbs.picture(row, label)) : null,
      link
        ? h(
            "a",
            { class: "button", href: link, target: "_blank", rel: "noopener noreferrer nofollow" },
            `Open the picture at ${new URL(link).host}`,
          )
        : null,
      facts(model, row, model.columns),
      model.columns.some((column) => String(cell(column, row)) === model.ids[row])
        ? null
        : h("p", { class: "quiet" }, `id ${model.ids[row]}`),
      neighbours.length
        ? [
            h("h3", {}, "Nearest neighbours"),
            h(
              "div",
              { class: "tiles" },
              neighbours.map((near) => rowButton(app, near)),
            ),
          ]
        : null,
    ];
  }

  function hint() {
    return [
      h("h2", {}, "No point is pinned"),
      h("p", { class: "quiet" }, "Click a point on the map, or one in the list of points."),
    ];
  }

  return { element, update };
}

/** The address when it may be linked to: http and https only. Checked again here, last of all. */
export function safeLink(address) {
  try {
    const { protocol, href } = new URL(address);
    return protocol === "http:" || protocol === "https:" ? href : null;
  } catch {
    return null;
  }
}
