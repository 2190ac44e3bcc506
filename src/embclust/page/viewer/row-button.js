/** A point as a button. */

import { h } from "./dom.js";
import { labelOf } from "./model.js";

/** A row's picture (or its name, on a page without pictures) that pins it when clicked. */
export function rowButton({ model, thumbs, pin }, row) {
  const label = labelOf(model, row);
  return h(
    "button",
    {
      type: "button",
      class: model.pictures ? "tile" : "tile words",
      title: label,
      "aria-label": label,
      onclick: () => pin(row),
    },
    model.pictures ? thumbs.picture(row, "") : label,
  );
}
