/** The tabs of the side panel. */

import { TABS } from "./app.js";
import { h } from "./dom.js";
import { number } from "./format.js";

/** Tabs over `panels` (name -> { element }). Returns { element, update }. */
export function createTabs(app, panels) {
  const tabs = TABS.map((name) =>
    h("button", {
      type: "button",
      role: "tab",
      id: `tab-${name}`,
      "aria-controls": `panel-${name}`,
      onclick: () => app.set({ tab: name }),
    }),
  );
  for (const name of TABS) {
    const panel = panels[name].element;
    panel.id = `panel-${name}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", `tab-${name}`);
  }
  const element = h("div", { class: "tabs", role: "tablist", onkeydown: move }, tabs);

  function move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = (TABS.indexOf(app.state().tab) + step + TABS.length) % TABS.length;
    app.set({ tab: TABS[next] });
    tabs[next].focus();
  }

  function update(state, { shownRows }) {
    const all = shownRows.length === app.model.count;
    const names = [
      state.colour === "" ? "Clusters" : "Colours",
      all ? "Points" : `Points (${number(shownRows.length)})`,
      "Pinned",
    ];
    TABS.forEach((name, index) => {
      const on = state.tab === name;
      tabs[index].textContent = names[index];
      tabs[index].setAttribute("aria-selected", String(on));
      tabs[index].tabIndex = on ? 0 : -1;
      panels[name].element.hidden = !on;
    });
  }

  return { element, update };
}
