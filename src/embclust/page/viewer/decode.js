/** What build.py packed, unpacked. Pure. */

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Whole numbers >= 0 from `{ type: "u8" | "u16" | "u32", data: base64 }`, little-endian. */
export function decodeCodes({ type, data }) {
  const bytes = bytesOf(data);
  if (type === "u8") return bytes;
  const view = new DataView(bytes.buffer);
  const width = type === "u16" ? 2 : 4;
  const codes = new (type === "u16" ? Uint16Array : Uint32Array)(bytes.length / width);
  for (let i = 0; i < codes.length; i += 1) {
    codes[i] = width === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true);
  }
  return codes;
}

/** Positions in [-1, 1] from base64 int16; z is all zero for a flat layout. */
export function decodeLayout(base64, dims) {
  const view = new DataView(bytesOf(base64).buffer);
  const n = view.byteLength / 2 / dims;
  const axes = [new Float32Array(n), new Float32Array(n), new Float32Array(n)];
  for (let row = 0; row < n; row += 1) {
    for (let axis = 0; axis < dims; axis += 1) {
      axes[axis][row] = view.getInt16(2 * (row * dims + axis), true) / 32767;
    }
  }
  return { x: axes[0], y: axes[1], z: axes[2] };
}
