/** A small model as build.py would make it. */

import { createModel } from "../../src/embclust/page/viewer/model.js";

const base64 = (array) => Buffer.from(array.buffer).toString("base64");
const codes = (...values) => ({ type: "u8", data: base64(Uint8Array.from(values)) });

/** Six points: clusters 0 and 4, and one that is in none. */
export function sample(changes = {}) {
  return createModel({
    version: "1",
    title: "Six",
    collection: "six",
    encoder: "hashing",
    count: 6,
    total: 6,
    ids: ["a", "b", "c", "d", "e", "=f"],
    layouts: {
      2: base64(Int16Array.from([-32767, 0, 32767, 0, 0, 32767, 0, -32767, 0, 0, 16384, 0])),
    },
    clusters: [
      {
        number: 0,
        name: "Shoes",
        size: 3,
        source: "",
        keywords: [],
        medoids: [0],
        silhouette: 0.5,
      },
      {
        number: 4,
        name: "Hats",
        size: 2,
        source: "",
        keywords: [],
        medoids: [3],
        silhouette: null,
      },
    ],
    clusterOf: codes(0, 0, 0, 1, 1, 2),
    columns: [
      { name: "title", kind: "text", values: ["Été rouge", 'b, "two"', null, "d", "e", "f"] },
      {
        name: "gender",
        kind: "category",
        values: ["Women", "Men"],
        codes: codes(0, 0, 1, 1, 2, 1),
      },
      { name: "price", kind: "number", values: [1, 2, null, -4.5, 5, 6] },
    ],
    textFields: ["title"],
    links: [],
    pictures: false,
    defaultDims: 2,
    neighbours: { each: 2, ...codes(2, 3, 1, 3, 1, 2, 5, 0, 4, 0, 5, 4) },
    facts: [],
    warnings: [],
    credit: "",
    ...changes,
  });
}
