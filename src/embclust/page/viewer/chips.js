/** What narrows the view, above the map: each chip takes one thing back. */

import { fill, h } from "./dom.js";
import { toggled } from "./filter.js";
import { number } from "./format.js";

/** `app` as main.js makes it. Returns { element, update }. */
export function createChips(app) {
  const element = h("div", { class: "chips over", role: "group", "aria-label": "Filters" });

  function update(state, derived) {
    const chips = [];
    if (state.query.trim()) {
      const hits = `${number(derived.hits?.length ?? 0)} ${derived.hits?.length === 1 ? "hit" : "hits"}`;
      chips.push(chip(`“${state.query.trim()}”: ${hits}`, () => app.search("")));
    }
    if (state.selection) {
      chips.push(
        chip(`Selection: ${number(state.selection.length)} points`, () =>
          app.set({ selection: null }),
        ),
      );
    }
    for (const [by, keys] of state.filters) {
      const grouping = derived.groupingOf(by);
      for (const group of grouping.groups.filter(({ key }) => keys.has(key))) {
        const text = `${by === "" ? "Cluster" : by}: ${group.label}`;
        chips.push(
          chip(text, () =>
            app.set({ filters: toggled(app.state().filters, by, group.key, false) }),
          ),
        );
      }
    }
    if (chips.length) {
      const { length } = derived.shownRows;
      chips.push(
        h(
          "span",
          { class: "status", role: "status" },
          `${number(length)} of ${number(app.model.count)} shown`,
        ),
      );
    }
    fill(element, chips);
  }

  return { element, update };
}

function chip(text, remove) {
  return h(
    "button",
    { type: "button", class: "chip", title: text, "aria-label": `Remove ${text}`, onclick: remove },
    h("span", { class: "text" }, text),
    h("span", { "aria-hidden": "true" }, "×"),
  );
}
