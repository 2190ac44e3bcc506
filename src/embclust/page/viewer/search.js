/** Full-text search over the rows. Pure. */

import { cell } from "./model.js";

/** Lower case without accents, so that "ete" finds "Été". */
export function fold(text) {
  return text
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase();
}

/** One folded text per row: its id, its cluster-independent text fields, and no numbers. */
export function searchIndex(model) {
  const chosen = model.columns.filter(({ name }) => model.textFields.includes(name));
  const columns = chosen.length ? chosen : model.columns.filter(({ kind }) => kind !== "number");
  return model.ids.map((id, row) => {
    const cells = columns.map((column) => cell(column, row)).filter((value) => value !== null);
    return fold([id, ...cells].join("\n"));
  });
}

/** Rows whose text holds every word of the query; null when the query has no word. */
export function search(index, query) {
  const words = fold(query).split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  const hits = [];
  index.forEach((text, row) => {
    if (words.every((word) => text.includes(word))) hits.push(row);
  });
  return hits;
}
