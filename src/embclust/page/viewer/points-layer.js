/**
 * The points, drawn as GL points into Plotly's 3D scene. Plotly's own markers are built of some 70
 * triangle corners each: 100,000 of them take most of a minute where WebGL runs in software, and
 * every filter builds them anew. Here a filter is one small buffer.
 */

import { multiply, SHRINK, SWELL } from "./projection.js";

const VERTEX = `
attribute vec3 place;
attribute vec4 style;
uniform mat4 matrix;
uniform float size;
uniform float faint;
uniform float reference;
uniform float pass;
varying vec3 colour;
varying float opacity;
varying float diameter;
void main() {
  gl_Position = matrix * vec4(place, 1.0);
  float depth = reference > 0.0 ? clamp(reference / gl_Position.w, ${SHRINK.toFixed(2)}, ${SWELL.toFixed(2)}) : 1.0;
  float lit = step(0.99, style.a);
  colour = style.rgb;
  opacity = style.a;
  diameter = mix(faint, size, lit) * depth;
  gl_PointSize = diameter + 1.0;
  if (lit != pass) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;

const FRAGMENT = `
precision mediump float;
varying vec3 colour;
varying float opacity;
varying float diameter;
uniform float ring;
uniform vec3 edge;
void main() {
  float from = length(gl_PointCoord - 0.5) * (diameter + 1.0);
  float radius = 0.5 * diameter;
  float cover = clamp(radius - from + 0.5, 0.0, 1.0);
  if (ring > 0.0) cover *= clamp(from - radius + ring + 0.5, 0.0, 1.0);
  if (cover < 0.02) discard;
  float rim = ring > 0.0 || diameter < 6.0 ? 0.0 : smoothstep(radius - 2.0, radius, from);
  float alpha = opacity * cover;
  gl_FragColor = vec4(mix(colour, edge, 0.3 * rim) * alpha, alpha);
}`;

const RING = 2;

/**
 * Add a layer to gl-plot3d's `glplot`. `scale` holds Plotly's factor of each axis. Returns
 * { paint }: paint({ layout, styles, marks, size, faint, flat, ink }) draws rows in their `styles` (see
 * styles.js), and rings around the rows `marks`, a wider one around the first.
 */
export function createPointsLayer(glplot, scale) {
  const { gl } = glplot;
  const program = link(gl);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const at = {
    place: gl.getAttribLocation(program, "place"),
    style: gl.getAttribLocation(program, "style"),
    ...Object.fromEntries(
      ["matrix", "size", "faint", "reference", "pass", "ring", "edge"].map((name) => [
        name,
        uniform(name),
      ]),
    ),
  };
  const buffers = { styles: gl.createBuffer(), rings: gl.createBuffer(), ink: gl.createBuffer() };
  const places = new Map();
  let shown = null;

  /** The positions of a layout, sent to the graphics card once. */
  function placesOf(layout) {
    if (!places.has(layout)) {
      places.set(layout, gl.createBuffer());
      send(gl, places.get(layout), interleaved(layout));
    }
    return places.get(layout);
  }

  function paint(next) {
    shown = { ...next, count: next.layout.x.length };
    const { layout, marks, ink } = next;
    placesOf(layout);
    send(gl, buffers.styles, next.styles);
    send(gl, buffers.rings, interleaved(picked(layout, marks)));
    send(gl, buffers.ink, Uint8Array.from(marks.flatMap(() => [...ink, 255])));
    glplot.redraw();
  }

  function draw(camera) {
    if (!shown) return;
    const { size, faint, flat, count, marks } = shown;
    const ratio = glplot.pixelRatio;
    const matrix = toClip(camera, scale);
    gl.useProgram(program);
    gl.uniformMatrix4fv(at.matrix, false, matrix);
    gl.uniform1f(at.reference, flat ? 0 : referenceOf(matrix));
    gl.enable(gl.BLEND);
    gl.blendEquation(gl.FUNC_ADD);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    bind(gl, at, placesOf(shown.layout), buffers.styles);
    gl.uniform1f(at.ring, 0);
    // A rim in the colour of text: dark dots stand out from a dark map too.
    gl.uniform3fv(
      at.edge,
      shown.ink.map((part) => part / 255),
    );
    gl.uniform1f(at.size, size * ratio);
    gl.uniform1f(at.faint, faint * ratio);
    gl.disable(gl.DEPTH_TEST);
    gl.uniform1f(at.pass, 0);
    gl.drawArrays(gl.POINTS, 0, count);
    if (!flat) gl.enable(gl.DEPTH_TEST);
    gl.uniform1f(at.pass, 1);
    gl.drawArrays(gl.POINTS, 0, count);
    gl.disable(gl.DEPTH_TEST);
    bind(gl, at, buffers.rings, buffers.ink);
    gl.uniform1f(at.ring, RING * ratio);
    gl.uniform1f(at.size, (size + 7) * ratio);
    gl.drawArrays(gl.POINTS, 0, marks.length);
    gl.uniform1f(at.size, (size + 15) * ratio);
    gl.drawArrays(gl.POINTS, 0, Math.min(1, marks.length));
    leave(gl);
  }

  // Plotly's own object would have gl-plot3d draw and read back a picture of ids in every frame.
  for (const object of [...glplot.objects]) glplot.remove(object);
  // What gl-plot3d and Plotly ask of an object in a scene; without pick slots it takes no part in
  // their picking.
  glplot.add({
    draw,
    pickSlots: 0,
    _trace: { data: { index: 1 } },
    isOpaque: () => true,
    isTransparent: () => false,
    update() {},
    dispose() {},
  });
  return { paint };
}

/** The matrix from the map's coordinates to clip space, of gl-plot3d's three and Plotly's scale. */
export function toClip({ model, view, projection }, scale) {
  const stretch = new Float64Array(16);
  for (let axis = 0; axis < 3; axis += 1) stretch[axis * 5] = scale[axis];
  stretch[15] = 1;
  return multiply(projection, multiply(view, multiply(model, stretch)));
}

/** The depth of the map's middle, where dots in 3D have their own size. */
export function referenceOf(matrix) {
  return Math.max(1e-6, matrix[15]);
}

function picked({ x, y, z }, rows) {
  const pick = (axis) => Float32Array.from(rows, (row) => axis[row]);
  return { x: pick(x), y: pick(y), z: pick(z) };
}

function interleaved({ x, y, z }) {
  const places = new Float32Array(3 * x.length);
  for (let row = 0; row < x.length; row += 1) {
    places[3 * row] = x[row];
    places[3 * row + 1] = y[row];
    places[3 * row + 2] = z[row];
  }
  return places;
}

function send(gl, buffer, values) {
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
  gl.bindBuffer(gl.ARRAY_BUFFER, null);
}

function bind(gl, at, places, styles) {
  enableOnly(gl, (index) => index === at.place || index === at.style);
  gl.bindBuffer(gl.ARRAY_BUFFER, places);
  gl.vertexAttribPointer(at.place, 3, gl.FLOAT, false, 0, 0);
  gl.bindBuffer(gl.ARRAY_BUFFER, styles);
  gl.vertexAttribPointer(at.style, 4, gl.UNSIGNED_BYTE, true, 0, 0);
}

/** Leave the context as gl-plot3d expects it, whose gl-shader keeps count of what is enabled. */
function leave(gl) {
  gl.bindBuffer(gl.ARRAY_BUFFER, null);
  gl.disable(gl.BLEND);
  gl.enable(gl.DEPTH_TEST);
  enableOnly(gl, (index) => index < (gl.lastAttribCount ?? 0));
}

function enableOnly(gl, wanted) {
  for (let index = 0; index < Math.max(2, gl.lastAttribCount ?? 0); index += 1) {
    if (wanted(index)) gl.enableVertexAttribArray(index);
    else gl.disableVertexAttribArray(index);
  }
}

function link(gl) {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`the points' shader: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}
