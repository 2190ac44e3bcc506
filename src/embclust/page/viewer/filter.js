/** Which points are lit. Pure. */

/**
 * A byte per point: 1 where every filter lets it through. `filters` maps a grouping's `by` to the
 * set of group keys let through; `groupingOf` gives the grouping for a `by`, or null.
 */
export function passing(count, filters, groupingOf) {
  const mask = new Uint8Array(count).fill(1);
  for (const [by, keys] of filters) {
    const grouping = groupingOf(by);
    if (!grouping || keys.size === 0) continue;
    const open = grouping.groups.map((group) => keys.has(group.key));
    for (let row = 0; row < count; row += 1) if (!open[grouping.of[row]]) mask[row] = 0;
  }
  return mask;
}

/** The mask narrowed to some rows. */
export function narrowed(mask, rows) {
  const narrow = new Uint8Array(mask.length);
  for (const row of rows) narrow[row] = mask[row];
  return narrow;
}

/** The rows a mask lets through. */
export function rowsOf(mask) {
  let count = 0;
  for (const bit of mask) count += bit;
  const rows = new Uint32Array(count);
  let next = 0;
  for (let row = 0; row < mask.length; row += 1) {
    if (mask[row]) {
      rows[next] = row;
      next += 1;
    }
  }
  return rows;
}

/** Filters with one group key switched; alone: only that one, or none when it was alone before. */
export function toggled(filters, by, key, alone) {
  const next = new Map(filters);
  const before = next.get(by) ?? new Set();
  const keys = new Set(alone ? [] : before);
  if (alone ? !(before.has(key) && before.size === 1) : !before.has(key)) keys.add(key);
  else keys.delete(key);
  if (keys.size) next.set(by, keys);
  else next.delete(by);
  return next;
}
