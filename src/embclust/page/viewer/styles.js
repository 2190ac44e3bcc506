/** How each point looks: bytes for the graphics card. Pure. */

import { channels } from "./palette.js";

/** Factors of the points' own size that a reader may choose. */
export const SMALLEST = 0.5;
export const LARGEST = 3;

/** Opacity of the points that a filter or a search leaves out. */
const FAINT = 90;

/** Lit points grow as if there were no more than these, but not beyond a tenth of all. */
export function litSize(count, lit, dims, side, factor) {
  return pointSize(Math.max(lit, count / 10), dims, side, factor);
}

/** Point diameter in pixels that suits the number of points and the map's shorter side. */
export function pointSize(count, dims, side, factor = 1) {
  const room = Math.min(1, Math.max(0.6, side / 700));
  const size = room * Math.min(11, Math.max(2.4, 52 / Math.max(1, count) ** 0.28));
  return factor * (dims === 3 ? size * 0.85 : size);
}

/**
 * Red, green, blue and opacity of every point: its group's colour where `lit` has a 1, else faint
 * `unlit` ("#rrggbb"). Only opacity 255 stands for lit.
 */
export function buildStyles(grouping, lit, unlit) {
  const colours = grouping.groups.map(({ colour }) => packed(channels(colour), 255));
  const faint = packed(channels(unlit), FAINT);
  const styles = new Uint32Array(lit.length);
  for (let row = 0; row < lit.length; row += 1) {
    styles[row] = lit[row] ? colours[grouping.of[row]] : faint;
  }
  return new Uint8Array(styles.buffer);
}

/** Four bytes in the order of memory, as one number. */
function packed([red, green, blue], opacity) {
  return new Uint32Array(Uint8Array.of(red, green, blue, opacity).buffer)[0];
}
