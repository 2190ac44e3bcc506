/** From the map's coordinates to the screen, and the point under the pointer. Pure. */

/** Column-major 4x4 product a·b. */
export function multiply(a, b) {
  const product = new Float64Array(16);
  for (let column = 0; column < 4; column += 1) {
    for (let row = 0; row < 4; row += 1) {
      let sum = 0;
      for (let k = 0; k < 4; k += 1) sum += a[k * 4 + row] * b[column * 4 + k];
      product[column * 4 + row] = sum;
    }
  }
  return product;
}

/** Dots in 3D are drawn between these factors of their size, by how near they are. */
export const SHRINK = 0.6;
export const SWELL = 1.7;

/** Place of a point in pixels from the top left, and its depth (smaller is nearer). */
export function toScreen(matrix, size, x, y, z) {
  const w = matrix[3] * x + matrix[7] * y + matrix[11] * z + matrix[15];
  return {
    left: (((matrix[0] * x + matrix[4] * y + matrix[8] * z + matrix[12]) / w + 1) / 2) * size.width,
    top: ((1 - (matrix[1] * x + matrix[5] * y + matrix[9] * z + matrix[13]) / w) / 2) * size.height,
    depth: w,
  };
}

/** Calls `see(row, left, top, depth)` for every lit row before the eye; makes no objects. */
function forEachLit(matrix, size, layout, lit, see) {
  const { x, y, z } = layout;
  const m = matrix;
  for (let row = 0; row < lit.length; row += 1) {
    if (!lit[row]) continue;
    const w = m[3] * x[row] + m[7] * y[row] + m[11] * z[row] + m[15];
    if (w <= 0) continue;
    const right = (m[0] * x[row] + m[4] * y[row] + m[8] * z[row] + m[12]) / w;
    const up = (m[1] * x[row] + m[5] * y[row] + m[9] * z[row] + m[13]) / w;
    see(row, ((right + 1) / 2) * size.width, ((1 - up) / 2) * size.height, w);
  }
}

/**
 * The lit row at a pixel, or -1: the front-most of those whose dot is under it, else the closest
 * within `reach`. `radius` is a dot's at the depth `reference`; 0 stands for dots of one size.
 */
export function rowAt(matrix, size, layout, lit, pixel, radius, reach, reference = 0) {
  let front = -1;
  let frontDepth = Infinity;
  let near = -1;
  let nearest = reach * reach;
  forEachLit(matrix, size, layout, lit, (row, left, top, depth) => {
    const distance = (left - pixel.left) ** 2 + (top - pixel.top) ** 2;
    if (distance < nearest) {
      near = row;
      nearest = distance;
    }
    const swell = reference ? Math.min(SWELL, Math.max(SHRINK, reference / depth)) : 1;
    // On the flat map the last is drawn on top.
    if (distance <= (radius * swell) ** 2 && (!reference || depth < frontDepth)) {
      front = row;
      frontDepth = depth;
    }
  });
  return front >= 0 ? front : near;
}

/** Lit rows inside a polygon of pixels [{ left, top }] (even-odd rule). */
export function rowsInside(matrix, size, layout, lit, polygon) {
  const rows = [];
  forEachLit(matrix, size, layout, lit, (row, left, top) => {
    if (inside(left, top, polygon)) rows.push(row);
  });
  return rows;
}

function inside(left, top, polygon) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const [a, b] = [polygon[i], polygon[j]];
    if (a.top > top === b.top > top) continue;
    if (left < ((b.left - a.left) * (top - a.top)) / (b.top - a.top) + a.left) odd = !odd;
  }
  return odd;
}
