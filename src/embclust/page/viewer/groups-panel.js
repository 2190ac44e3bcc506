/** The legend: groups with colour, count and share; click filters, hover highlights. */

import { fill, h, swatch } from "./dom.js";
import { rowsOf, toggled } from "./filter.js";
import { number, percent } from "./format.js";
import { BY_CLUSTER, groupable } from "./grouping.js";
import { rowButton } from "./row-button.js";
import { overRepresented } from "./stats.js";

const STRIP = 5;

/** `app` as main.js makes it. Returns { element, update }. */
export function createGroupsPanel(app) {
  const sort = h(
    "select",
    { "aria-label": "Sort groups", onchange: () => app.set({ sort: sort.value }) },
    h("option", { value: "size" }, "largest first"),
    h("option", { value: "name" }, "by name"),
  );
  const title = h("h2", {});
  const list = h("ul", { class: "groups" });
  const element = h("div", { class: "panel" }, h("div", { class: "bar" }, title, sort), list);
  let built = null;
  let rows = [];

  function update(state, derived) {
    const { grouping } = derived;
    const signature = `${grouping.by}\n${state.sort}`;
    if (signature !== built) {
      built = signature;
      title.textContent = grouping.title;
      sort.value = state.sort;
      rows = sorted(app.model, grouping, state.sort).map((group) => groupRow(app, grouping, group));
      fill(
        list,
        rows.map(({ item }) => item),
      );
    }
    const keys = state.filters.get(grouping.by);
    for (const { item, button, group } of rows) {
      const on = Boolean(keys?.has(group.key));
      button.setAttribute("aria-pressed", String(on));
      item.classList.toggle("off", Boolean(keys) && !on);
    }
  }

  return { element, update };
}

function sizeOf(model, grouping, group) {
  if (grouping.by !== BY_CLUSTER) return group.count;
  if (group.cluster !== undefined) return model.clusters[group.cluster].size;
  const clustered = model.clusters.reduce((sum, { size }) => sum + size, 0);
  return Math.max(group.count, model.total - clustered);
}

function sorted(model, grouping, order) {
  const last = (group) => Number(group.key === "" || group.key === "-1");
  const column = model.columns.find(({ name }) => name === grouping.by);
  const groups = grouping.groups.filter(({ count }) => count > 0);
  if (column?.kind === "number" && order === "size") return groups;
  return groups.sort(
    (a, b) =>
      last(a) - last(b) ||
      (order === "name"
        ? a.label.localeCompare(b.label, "en", { numeric: true })
        : sizeOf(model, grouping, b) - sizeOf(model, grouping, a)),
  );
}

function groupRow(app, grouping, group) {
  const { model, thumbs } = app;
  const cluster = grouping.by === BY_CLUSTER ? model.clusters[group.cluster] : undefined;
  const size = sizeOf(model, grouping, group);
  const total = grouping.by === BY_CLUSTER ? model.total : model.count;
  const pictures = (cluster?.medoids ?? []).filter((row) => thumbs.has(row)).slice(0, STRIP);
  const hover = (on) => () => app.hoverGroup(on ? group.key : null);
  const button = h(
    "button",
    {
      type: "button",
      class: "group-name",
      "aria-pressed": "false",
      title: "Show only this; with Ctrl or ⌘ add it",
      onclick: (event) => {
        const alone = !(event.ctrlKey || event.metaKey || event.shiftKey);
        app.set({ filters: toggled(app.state().filters, grouping.by, group.key, alone) });
      },
    },
    swatch(group.colour),
    h("span", { class: "text" }, group.label),
    h("span", { class: "count" }, `${number(size)} · ${percent(size / total)}`),
  );
  const strip = pictures.length
    ? h(
        "div",
        { class: "strip", "aria-hidden": "true" },
        pictures.map((row) => thumbs.picture(row, "")),
      )
    : null;
  const head = h("div", { class: "group-head" }, button);
  const item = h(
    "li",
    { class: "group", onpointerenter: hover(true), onpointerleave: hover(false) },
    head,
    strip,
  );
  if (group.key !== "" || grouping.by === BY_CLUSTER)
    withDetails(app, grouping, group, cluster, head, item);
  return { item, button, group };
}

/** A button that opens what is known of the group, made when first opened. */
function withDetails(app, grouping, group, cluster, head, item) {
  let details = null;
  const more = h("button", {
    type: "button",
    class: "more",
    "aria-expanded": "false",
    "aria-label": `About ${group.label}`,
  });
  more.addEventListener("click", () => {
    if (!details) {
      details = groupDetails(app, grouping, group, cluster);
      item.append(details);
    } else {
      details.hidden = !details.hidden;
    }
    more.setAttribute("aria-expanded", String(!details.hidden));
  });
  head.append(more);
}

/** What else is known of a cluster. */
function about({ number: own, source, silhouette }) {
  const parts = [`Cluster number ${own}`];
  if (source) parts.push(`named by ${source}`);
  if (silhouette !== null) parts.push(`silhouette ${silhouette.toFixed(2)}`);
  return `${parts.join(", ")}.`;
}

function groupDetails(app, grouping, group, cluster) {
  const { model } = app;
  const index = grouping.groups.indexOf(group);
  const rows = rowsOf(Uint8Array.from(grouping.of, (of) => Number(of === index)));
  const { groupingOf } = app.derived();
  const others = groupable(model).filter(({ name }) => name !== grouping.by);
  const lifts = overRepresented(
    others.map(({ name }) => groupingOf(name)),
    rows,
    6,
  );
  const typical = (cluster?.medoids ?? []).slice(0, 12);
  const parts = [
    cluster?.keywords.length
      ? [h("h3", {}, "Keywords"), h("p", {}, cluster.keywords.join(", "))]
      : null,
    lifts.length
      ? [
          h("h3", {}, "More often here than elsewhere"),
          h("ul", { class: "lifts" }, lifts.map(lift)),
        ]
      : null,
    typical.length
      ? [
          h("h3", {}, "Most typical"),
          h(
            "div",
            { class: "tiles" },
            typical.map((row) => rowButton(app, row)),
          ),
        ]
      : null,
    cluster ? h("p", { class: "quiet" }, about(cluster)) : null,
  ];
  const filled = parts.some(Boolean);
  return h(
    "div",
    { class: "details" },
    filled ? parts : h("p", { class: "quiet" }, "No column is more frequent here than elsewhere."),
  );

  function lift({ by, key, label, lift: times, share }) {
    const factor = times >= 10 ? Math.round(times) : times.toFixed(1);
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: "lift",
          title: `${percent(share)} of these have it, ${factor} times as many as everywhere. Show only them`,
          onclick: () => app.set({ filters: toggled(app.state().filters, by, key, true) }),
        },
        h("span", { class: "text" }, `${by} = ${label}`),
        h("span", { class: "count" }, `${factor}× · ${percent(share)}`),
      ),
    );
  }
}
