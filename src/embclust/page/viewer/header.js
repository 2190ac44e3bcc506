/** The header: what this is, search, and how it is shown. And the dialog about the map. */

import { fill, h } from "./dom.js";
import { number } from "./format.js";
import { BY_CLUSTER, groupable } from "./grouping.js";
import { dimensions } from "./model.js";

const KEYS = [
  ["/", "search"],
  ["2, 3", "flat map or 3D"],
  ["arrows, + and −", "move the map when it has the focus"],
  ["R", "whole map"],
  ["Esc", "step back: unpin, then clear the selection, the search, the filters"],
];

/** `app` as main.js makes it. Returns { element, update, focusSearch }. */
export function createHeader(app) {
  const { model } = app;
  const about = aboutDialog(app);
  const query = h("input", {
    type: "search",
    placeholder: "Search",
    "aria-label": "Search the points",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: "200",
    oninput: () => app.search(query.value),
  });
  const flat = dimensionSwitch(app);
  const colour = h(
    "select",
    { "aria-label": "Colour by", onchange: () => app.set({ colour: colour.value, tab: "groups" }) },
    h("option", { value: BY_CLUSTER }, "Colour: cluster"),
    groupable(model).map(({ name }) => h("option", { value: name }, `Colour: ${name}`)),
  );
  const theme = h("button", {
    type: "button",
    class: "icon",
    onclick: () => app.set({ theme: nextTheme(app.state().theme) }),
  });
  const element = h(
    "header",
    {},
    h(
      "div",
      { class: "headline" },
      h("h1", {}, model.title),
      h("p", { class: "quiet" }, summary(model)),
      h("p", { class: "quiet facts" }, made(model)),
    ),
    h(
      "div",
      { class: "controls" },
      query,
      flat.element,
      colour,
      theme,
      h("button", { type: "button", onclick: () => about.showModal() }, "About"),
    ),
    about,
  );

  function update(state) {
    if (query.value !== state.query) query.value = state.query;
    colour.value = state.colour;
    flat.update(state);
    theme.textContent = { auto: "◐", light: "☀", dark: "☾" }[state.theme];
    theme.setAttribute("aria-label", `Colours: ${state.theme}. Change`);
    theme.title = `Colours: ${state.theme}`;
  }

  return { element, update, focusSearch: () => query.focus() };
}

/** What there is to say before anyone looks at details. */
function summary(model) {
  const drawn = model.count < model.total ? ` of ${number(model.total)}` : "";
  const clusters = model.clusters.length === 1 ? "1 cluster" : `${model.clusters.length} clusters`;
  const parts = [
    `${number(model.count)}${drawn} points`,
    clusters,
    model.collection,
    model.encoder,
  ];
  return parts.filter(Boolean).join(" · ");
}

/** The facts that the summary has not said: how it was made, how good it is, and when. */
function made(model) {
  const said = new Set(["rows", "points", "collection", "encoder"]);
  return model.facts
    .filter(([name]) => !said.has(name.toLowerCase()))
    .map(([name, value]) => h("span", { class: "fact" }, `${name} `, h("b", {}, value)));
}

function dimensionSwitch(app) {
  const choices = dimensions(app.model).map((dims) =>
    h(
      "button",
      { type: "button", "data-dims": dims, onclick: () => app.set({ dims }) },
      `${dims}D`,
    ),
  );
  const element =
    choices.length > 1
      ? h("div", { class: "switch", role: "group", "aria-label": "Dimensions" }, choices)
      : null;
  const update = (state) => {
    for (const choice of choices) {
      choice.setAttribute("aria-pressed", String(choice.dataset.dims === String(state.dims)));
    }
  };
  return { element, update };
}

function nextTheme(theme) {
  return { auto: "light", light: "dark", dark: "auto" }[theme];
}

function aboutDialog({ model }) {
  const told = new Set(model.facts.map(([name]) => name.toLowerCase()));
  const ours = [
    ["Collection", model.collection],
    ["Encoder", model.encoder],
    [
      "Points",
      model.count < model.total
        ? `${number(model.count)} drawn of ${number(model.total)}`
        : number(model.count),
    ],
    ["Clusters", String(model.clusters.length)],
    ["embclust", model.version],
  ];
  const facts = [...ours.filter(([name]) => !told.has(name.toLowerCase())), ...model.facts];
  const pairs = (lines) =>
    h(
      "dl",
      {},
      lines.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    );
  const dialog = h("dialog", { "aria-label": "About this map" });
  return fill(dialog, [
    h(
      "div",
      { class: "bar" },
      h("h2", {}, "About this map"),
      h("button", { type: "button", onclick: () => dialog.close() }, "Close"),
    ),
    pairs(facts),
    model.warnings.length
      ? [
          h("h3", {}, "Notes"),
          h(
            "ul",
            {},
            model.warnings.map((text) => h("li", {}, text)),
          ),
        ]
      : null,
    h("h3", {}, "Keys"),
    pairs(KEYS),
    model.credit ? h("p", { class: "quiet" }, model.credit) : null,
  ]);
}
