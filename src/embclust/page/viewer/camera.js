/**
 * Cameras, as nine numbers: eye, centre and up, in the map's coordinates (-1 to 1). The flat map is
 * the 3D scene seen straight from above, so that one WebGL context serves both. Pure.
 */

/** gl-plot3d's field of view is a quarter of π; half of it is seen above the middle. */
const SPREAD = Math.tan(Math.PI / 8);

/** Pixels at the head and the foot of the flat map where nothing should lie: the tools do. */
const ABOVE = 28;
const BELOW = 68;

/**
 * The camera that shows all in a map of some size: the flat map, which reaches `extent` [x, y] from its middle, or all
 * points within `radius` of the middle.
 */
export function defaultCamera(dims, { width, height }, { radius, extent }) {
  if (dims === 2) {
    const [above, below] = [Math.min(ABOVE, height * 0.08), Math.min(BELOW, height * 0.2)];
    const perPixel = Math.max(
      0.6 / height,
      (2 * extent[0]) / (0.94 * width),
      (2 * extent[1]) / (height - above - below),
    );
    return flat(0, ((above - below) / 2) * perPixel, (perPixel * height) / (2 * SPREAD));
  }
  const spread = SPREAD * Math.min(1, width / height);
  const distance = (1.04 * Math.max(radius, 0.3)) / Math.sin(Math.atan(spread));
  const [sideways, upwards] = [0.648, 0.4];
  return [distance * sideways, distance * sideways, distance * upwards, 0, 0, 0, 0, 0, 1];
}

/** The distance of the farthest point from the middle. */
export function radiusOf({ x, y, z }) {
  let most = 0;
  for (let row = 0; row < x.length; row += 1) {
    most = Math.max(most, Math.hypot(x[row], y[row], z[row]));
  }
  return most;
}

/** How far a flat layout reaches from its middle, across and up. */
export function extentOf({ x, y }) {
  const most = (values) => values.reduce((far, value) => Math.max(far, Math.abs(value)), 0);
  return [most(x), most(y)];
}

export function toPlotly([ex, ey, ez, cx, cy, cz, ux, uy, uz]) {
  return {
    eye: { x: ex, y: ey, z: ez },
    center: { x: cx, y: cy, z: cz },
    up: { x: ux, y: uy, z: uz },
    projection: { type: "perspective" },
  };
}

export function fromPlotly({ eye, center, up }) {
  return [eye, center, up].flatMap(({ x, y, z }) => [x, y, z]);
}

/** The flat camera moved by pixels, in a map `height` pixels high. */
export function panned(camera, right, down, height) {
  const perPixel = (2 * SPREAD * camera[2]) / height;
  return flat(camera[0] - right * perPixel, camera[1] + down * perPixel, camera[2]);
}

/** The flat camera brought nearer by a factor, keeping what is under a pixel in its place. */
export function zoomed(camera, factor, pixel, size) {
  const distance = Math.min(12, Math.max(0.06, camera[2] / factor));
  const perPixel = (2 * SPREAD * (camera[2] - distance)) / size.height;
  return flat(
    camera[0] + (pixel.left - size.width / 2) * perPixel,
    camera[1] - (pixel.top - size.height / 2) * perPixel,
    distance,
  );
}

/** The 3D camera turned about the centre by angles in radians, or brought nearer. */
export function turned(camera, sideways, upwards, factor) {
  const [x, y, z] = [0, 1, 2].map((i) => camera[i] - camera[i + 3]);
  const distance = Math.hypot(x, y, z) / factor;
  const around = Math.atan2(y, x) + sideways;
  const above = Math.min(1.5, Math.max(-1.5, Math.asin(z / Math.hypot(x, y, z)) + upwards));
  const eye = [
    camera[3] + distance * Math.cos(above) * Math.cos(around),
    camera[4] + distance * Math.cos(above) * Math.sin(around),
    camera[5] + distance * Math.sin(above),
  ];
  return [...eye, ...camera.slice(3)];
}

function flat(x, y, distance) {
  return [x, y, distance, x, y, 0, 0, 1, 0];
}
