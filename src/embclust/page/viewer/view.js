/** From the state to what is shown. Pure but for its memory of the last answers. */

import { narrowed, passing, rowsOf } from "./filter.js";
import { groupPoints } from "./grouping.js";
import { search, searchIndex } from "./search.js";

/** Returns derive(state): { grouping, groupingOf, hits, shown, shownRows }; and its prepareSearch. */
export function createView(model) {
  const groupings = new Map();
  const groupingOf = (by) => {
    if (!groupings.has(by)) groupings.set(by, groupPoints(model, by));
    return groupings.get(by);
  };
  let index = null;
  const prepareSearch = () => {
    index ??= searchIndex(model);
  };
  const hitsOf = remember((query) => {
    if (!query.trim()) return null;
    prepareSearch();
    return search(index, query);
  });
  const shownOf = remember((filters, hits, selection) => {
    let mask = passing(model.count, filters, groupingOf);
    if (hits) mask = narrowed(mask, hits);
    if (selection) mask = narrowed(mask, selection);
    return { shown: mask, shownRows: rowsOf(mask) };
  });
  function derive(state) {
    const hits = hitsOf(state.query);
    return {
      groupingOf,
      grouping: groupingOf(state.colour),
      hits,
      ...shownOf(state.filters, hits, state.selection),
    };
  }
  return Object.assign(derive, { prepareSearch });
}

/** Call again only when an argument is another one. */
function remember(compute) {
  let last = null;
  let answer;
  return (...args) => {
    if (!last || args.some((value, i) => value !== last[i])) {
      last = args;
      answer = compute(...args);
    }
    return answer;
  };
}
