/** Filtering by the values of any column, whatever the points are coloured by. */

import { fill, h } from "./dom.js";
import { toggled } from "./filter.js";
import { number } from "./format.js";
import { BY_CLUSTER, groupable } from "./grouping.js";

/** Values beyond these are left to the search: nobody reads through more. */
const MOST = 300;

/** Two lists, a column's and its values'; a value that is chosen becomes a filter. */
export function createFilter(app) {
  const column = h(
    "select",
    { "aria-label": "Filter by column", onchange: () => showValues() },
    h("option", { value: "none" }, "Filter by …"),
    h("option", { value: BY_CLUSTER }, "cluster"),
    groupable(app.model).map(({ name }) => h("option", { value: name }, name)),
  );
  const value = h("select", { "aria-label": "Filter by value", hidden: true, onchange: choose });
  const element = h("div", { class: "filter" }, column, value);

  function showValues() {
    value.hidden = column.value === "none";
    if (value.hidden) return;
    const { filters } = app.state();
    const { groups } = app.derived().groupingOf(column.value);
    const taken = filters.get(column.value) ?? new Set();
    const open = groups.filter(({ key, count }) => count > 0 && !taken.has(key)).slice(0, MOST);
    fill(value, [
      h("option", { value: "" }, taken.size ? "or …" : "choose …"),
      open.map(({ label, count }, index) =>
        h("option", { value: String(index) }, `${label} (${number(count)})`),
      ),
    ]);
    value.keys = open.map(({ key }) => key);
  }

  function choose() {
    const key = value.keys[Number(value.value)];
    app.set({ filters: toggled(app.state().filters, column.value, key, false) });
  }

  let seen = null;

  function update(state) {
    if (state.filters === seen) return;
    seen = state.filters;
    showValues();
  }

  return { element, update };
}
