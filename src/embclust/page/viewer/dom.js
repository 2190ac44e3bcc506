/** DOM building. Text only ever becomes a text node, so data cannot become markup. */

/**
 * Make an element: `h("button", { class: "x", onclick: f, "aria-label": "…" }, "text", child)`.
 * Properties that are functions become listeners, `true` an empty attribute; null and false are
 * left out, as are null children.
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  fill(element, children);
  return element;
}

/** Replace an element's children. */
export function fill(element, children) {
  const nodes = [children].flat(Infinity).filter((child) => child !== null && child !== undefined);
  element.replaceChildren(...nodes);
  return element;
}

/** A colour swatch. Colours come from palette.js, never from data. */
export function swatch(colour) {
  const element = h("span", { class: "swatch", "aria-hidden": "true" });
  element.style.backgroundColor = colour;
  return element;
}
