/** The data block: what Python packed (see `confemb/reporting/explorer/pack.py`), unpacked in one go. */

export type Numbers = Float64Array | Float32Array | Int32Array | Uint32Array | Uint16Array | Int16Array | Uint8Array;

interface SourceHeader {
  name: string;
  replicates: number;
}

interface ResultHeader {
  name: string;
  sources: SourceHeader[];
  total: number;
  right: number;
}

interface ThumbHeader {
  size: number;
  columns: number;
  perSheet: number;
  sheets: number;
  mime: string;
}

interface SetHeader {
  by: number[];
  k: number[];
  probs: boolean[];
  shown: number;
  total: number;
  ids: string[];
  texts: string[] | null;
  thumbs: ThumbHeader | null;
}

interface Header {
  format: number;
  title: string;
  description: string;
  item: string;
  names: string[];
  members: string[][] | null;
  kept: number;
  notes: string[];
  level: number;
  results: ResultHeader[];
  sets: SetHeader[];
  arrays: Record<string, [string, number, number]>;
}

export interface Source {
  name: string;
  replicates: number;
  low: Int16Array;
  high: Int16Array;
}

/** One classifier's counts and similarities over the K classes. */
export interface Result {
  name: string;
  total: number;
  right: number;
  rows: Map<number, Map<number, number>>;
  support: Float64Array;
  predicted: Float64Array;
  hits: Float64Array;
  recallLow: Float32Array;
  recallHigh: Float32Array;
  precisionLow: Float32Array;
  precisionHigh: Float32Array;
  cosine: Int16Array | null;
  sources: Source[];
  both: Map<number, [number, number]>;
}

/** Items (pictures, texts) with what one or both results made of them. */
export interface ItemSet {
  by: number[];
  shown: number;
  total: number;
  labels: Uint32Array;
  ids: string[];
  texts: string[] | null;
  /** By result: the (shown, k) classes, their probabilities in 65535ths, and k. */
  tops: { k: number; classes: Uint32Array; probs: Uint16Array | null }[];
  thumbs: (ThumbHeader & { data: Uint8Array[] }) | null;
}

export interface Node {
  left: number;
  right: number;
  height: number;
  /** Leaves first..last, as places in the order. */
  first: number;
  last: number;
  parent: number;
}

export interface Data {
  title: string;
  description: string;
  item: string;
  names: string[];
  members: string[][] | null;
  kept: number;
  notes: string[];
  level: number;
  size: number;
  results: Result[];
  sets: ItemSet[];
  /** Class at each place of the order, and the place of each class. */
  order: Uint32Array;
  place: Uint32Array;
  /** K leaves, then K - 1 merges. */
  nodes: Node[];
  positions: Float32Array;
  /** Two results: q-values of pairs of classes (low * K + high) and of each class's recall. */
  pairQ: Map<number, number>;
  recallQ: Float32Array | null;
  tested: boolean;
}

const SCALE = 30000;
const UNKNOWN = -32768;

function bytesOf(text: string): Uint8Array {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const TYPES: Record<string, new (buffer: ArrayBuffer, offset: number, length: number) => Numbers> = {
  f8: Float64Array,
  f4: Float32Array,
  i4: Int32Array,
  u4: Uint32Array,
  u2: Uint16Array,
  i2: Int16Array,
  u1: Uint8Array,
};

export function unpack(text: string): Data {
  const bytes = bytesOf(text);
  const buffer = bytes.buffer as ArrayBuffer;
  const length = new DataView(buffer).getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Header;
  const start = Math.ceil((8 + length) / 8) * 8;
  const has = (name: string): boolean => name in header.arrays;
  const get = <T extends Numbers>(name: string): T => {
    const [type, offset, count] = header.arrays[name];
    return new TYPES[type](buffer, start + offset, count) as T;
  };
  const size = header.names.length;
  const order = get<Uint32Array>("order");
  const place = new Uint32Array(size);
  order.forEach((c, i) => (place[c] = i));
  const pairQ = new Map<number, number>();
  if (has("pair.q")) {
    const rows = get<Uint32Array>("pair.row");
    const columns = get<Uint32Array>("pair.column");
    const q = get<Float32Array>("pair.q");
    q.forEach((value, i) => pairQ.set(rows[i] * size + columns[i], value));
  }
  return {
    title: header.title,
    description: header.description,
    item: header.item,
    names: header.names,
    members: header.members,
    kept: header.kept,
    notes: header.notes,
    level: header.level,
    size,
    results: header.results.map((one, r) => result(one, r, size, get, has)),
    sets: header.sets.map((one, s) => itemSet(one, s, get)),
    order,
    place,
    nodes: treeOf(size, place, get<Int32Array>("tree.children"), get<Float32Array>("tree.height")),
    positions: get<Float32Array>("positions"),
    pairQ,
    recallQ: has("recall.q") ? get<Float32Array>("recall.q") : null,
    tested: has("pair.q"),
  };
}

type Get = <T extends Numbers>(name: string) => T;

function result(header: ResultHeader, r: number, size: number, get: Get, has: (name: string) => boolean): Result {
  const name = (part: string): string => `${r}.${part}`;
  const t = get<Uint32Array>(name("true"));
  const p = get<Uint32Array>(name("predicted"));
  const n = get<Float64Array>(name("count"));
  const rows = new Map<number, Map<number, number>>();
  n.forEach((value, i) => {
    let row = rows.get(t[i]);
    if (!row) rows.set(t[i], (row = new Map()));
    row.set(p[i], value);
  });
  const both = new Map<number, [number, number]>();
  if (has(name("both.row"))) {
    const row = get<Uint32Array>(name("both.row"));
    const column = get<Uint32Array>(name("both.column"));
    const values = get<Float32Array>(name("both.values"));
    row.forEach((i, at) => both.set(i * size + column[at], [values[2 * at], values[2 * at + 1]]));
  }
  return {
    name: header.name,
    total: header.total,
    right: header.right,
    rows,
    support: get(name("support")),
    predicted: get(name("named")),
    hits: get(name("hits")),
    recallLow: get(name("recall.low")),
    recallHigh: get(name("recall.high")),
    precisionLow: get(name("precision.low")),
    precisionHigh: get(name("precision.high")),
    cosine: has(name("cosine")) ? get<Int16Array>(name("cosine")) : null,
    sources: header.sources.map((source) => ({
      ...source,
      low: get<Int16Array>(name(`${source.name}.low`)),
      high: get<Int16Array>(name(`${source.name}.high`)),
    })),
    both,
  };
}

function itemSet(header: SetHeader, s: number, get: Get): ItemSet {
  const thumbs = header.thumbs;
  return {
    by: header.by,
    shown: header.shown,
    total: header.total,
    labels: get(`set${s}.label`),
    ids: header.ids,
    texts: header.texts,
    tops: header.by.map((_, at) => ({
      k: header.k[at],
      classes: get<Uint32Array>(`set${s}.top${at}`),
      probs: header.probs[at] ? get<Uint16Array>(`set${s}.prob${at}`) : null,
    })),
    thumbs: thumbs && {
      ...thumbs,
      data: Array.from({ length: thumbs.sheets }, (_, i) => get<Uint8Array>(`set${s}.sheet${i}`)),
    },
  };
}

function treeOf(size: number, place: Uint32Array, children: Int32Array, heights: Float32Array): Node[] {
  const nodes: Node[] = [];
  for (let c = 0; c < size; c++) {
    nodes.push({ left: -1, right: -1, height: 0, first: place[c], last: place[c], parent: -1 });
  }
  heights.forEach((height, i) => {
    const [left, right] = [children[2 * i], children[2 * i + 1]];
    const [a, b] = [nodes[left], nodes[right]];
    a.parent = b.parent = nodes.length;
    nodes.push({
      left,
      right,
      height,
      first: Math.min(a.first, b.first),
      last: Math.max(a.last, b.last),
      parent: -1,
    });
  });
  return nodes;
}

/** Where the unordered pair (i, j) lies in upper-triangle order. */
export function pairAt(size: number, i: number, j: number): number {
  const [a, b] = i < j ? [i, j] : [j, i];
  return (a * (2 * size - a - 1)) / 2 + (b - a - 1);
}

export function cosineOf(data: Data, r: number, i: number, j: number): number | null {
  const { cosine } = data.results[r];
  if (!cosine) return null;
  if (i === j) return 1;
  const value = cosine[pairAt(data.size, i, j)];
  return value === UNKNOWN ? null : value / SCALE;
}

export function intervalOf(data: Data, source: Source, i: number, j: number): [number, number] | null {
  if (i === j) return null;
  const at = pairAt(data.size, i, j);
  return source.low[at] === UNKNOWN ? null : [source.low[at] / SCALE, source.high[at] / SCALE];
}

export function bothOf(data: Data, r: number, i: number, j: number): [number, number] | null {
  return data.results[r].both.get(Math.min(i, j) * data.size + Math.max(i, j)) ?? null;
}

export function countOf(result: Result, t: number, p: number): number {
  return result.rows.get(t)?.get(p) ?? 0;
}

/** Wilson's 95 % interval of a share of `n`. */
export function wilson(k: number, n: number): [number, number] {
  if (n <= 0) return [0, 1];
  const z2 = 1.959963984540054 ** 2;
  const centre = (k + z2 / 2) / (n + z2);
  const half = (Math.sqrt(z2) / (n + z2)) * Math.sqrt((k * (n - k)) / n + z2 / 4);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
