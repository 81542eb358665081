/** What is looked at: measures of cells and blocks, their scales, the cut of the tree, and the view's state. */

import { cosineOf, countOf, type Data, type Result } from "./data.ts";

export type Measure = "count" | "row" | "column" | "cosine" | "expected";
/** A result alone (0 or 1), or B over A (2). */
export type Which = 0 | 1 | 2;

export type Selection =
  | { kind: "cell"; t: number; p: number }
  | { kind: "class"; c: number }
  | { kind: "block"; node: number }
  | { kind: "blocks"; t: number; p: number };

export interface View {
  x: number;
  y: number;
  scale: number;
}

export interface State {
  measure: Measure;
  which: Which;
  log: boolean;
  hideDiagonal: boolean;
  /** Only so many of the strongest cells; 0 for all. */
  strongest: number;
  /** How many blocks the tree is cut into. */
  cut: number;
  collapsed: Set<number>;
  selection: Selection | null;
  cursor: { t: number; p: number } | null;
  hover: Selection | null;
  view: View | null;
}

export const MEASURES: Record<Measure, { name: string; short: string; help: string }> = {
  row: { name: "Share of the true class", short: "row share", help: "of the items of a class, the share predicted as another" },
  count: { name: "Count", short: "count", help: "how many items of a class are predicted as another" },
  column: { name: "Share of the predicted class", short: "column share", help: "of the predictions of a class, the share that is of another" },
  cosine: { name: "Cosine similarity", short: "cosine", help: "of the two classes' vectors, from −1 to 1" },
  expected: {
    name: "Count against expected",
    short: "times expected",
    help: "against the count if the mistakes for a class fell on the others by how often these are named wrongly; 0.5 is added to both",
  },
};

export function initialState(data: Data): State {
  const large = data.size > 50;
  return {
    measure: "row",
    which: data.results.length === 2 ? 2 : 0,
    log: large && data.results.length === 1,
    hideDiagonal: true,
    strongest: 0,
    cut: defaultCut(data.size),
    collapsed: new Set(),
    selection: null,
    cursor: null,
    hover: null,
    view: null,
  };
}

export function defaultCut(size: number): number {
  return size <= 30 ? Math.min(size, Math.max(2, Math.round(size / 3))) : Math.round(1.2 * Math.sqrt(size));
}

/** The nodes that a cut into `count` blocks leaves, by place; `collapsed` nodes stay whole. */
export function cutInto(data: Data, count: number): number[] {
  const { nodes, size } = data;
  if (size === 1) return [0];
  const open = new Set<number>([nodes.length - 1]);
  // The merges stand by rising height: undo the last ones.
  for (let n = nodes.length - 1; n >= size && open.size < count; n--) {
    if (!open.delete(n)) continue;
    open.add(nodes[n].left);
    open.add(nodes[n].right);
  }
  return [...open].sort((a, b) => nodes[a].first - nodes[b].first);
}

/** Errors expected in a cell from how often each class is mistaken and each is named wrongly. */
interface Margins {
  missed: Float64Array;
  wrong: Float64Array;
  errors: number;
}

function marginsOf(result: Result): Margins {
  const missed = result.support.map((n, c) => n - result.hits[c]);
  const wrong = result.predicted.map((n, c) => n - result.hits[c]);
  return { missed, wrong, errors: missed.reduce((a, b) => a + b, 0) };
}

export interface Scale {
  diverging: boolean;
  log: boolean;
  low: number;
  high: number;
}

export class Model {
  readonly margins: Margins[];
  blocks: number[] = [];
  /** The block (a place in `blocks`) of each class. */
  blockOf: Int32Array;
  private blockSums = new Map<string, Float64Array>();
  private names = new Map<number, string>();
  private scaleNow: Scale | null = null;

  constructor(
    readonly data: Data,
    readonly state: State,
  ) {
    this.margins = data.results.map(marginsOf);
    this.blockOf = new Int32Array(data.size);
    this.recut();
  }

  recut(): void {
    const { data } = this;
    this.blocks = cutInto(data, this.state.cut);
    this.blockSums.clear();
    this.blocks.forEach((node, b) => {
      for (let i = data.nodes[node].first; i <= data.nodes[node].last; i++) this.blockOf[data.order[i]] = b;
    });
  }

  /** Forget what hangs on the measure. */
  changed(): void {
    this.scaleNow = null;
    this.names.clear();
  }

  get hasCosine(): boolean {
    return this.data.results.every((one) => one.cosine !== null);
  }

  /** The value of a cell by one result; NaN where it has none. */
  valueBy(r: number, t: number, p: number, measure = this.state.measure): number {
    const result = this.data.results[r];
    const n = measure === "cosine" ? 0 : countOf(result, t, p);
    switch (measure) {
      case "count":
        return n;
      case "row":
        return result.support[t] > 0 ? n / result.support[t] : NaN;
      case "column":
        return result.predicted[p] > 0 ? n / result.predicted[p] : NaN;
      case "cosine":
        return cosineOf(this.data, r, t, p) ?? NaN;
      case "expected": {
        if (t === p) return NaN;
        return Math.log2((n + 0.5) / (this.expectedBy(r, t, p) + 0.5));
      }
    }
  }

  expectedBy(r: number, t: number, p: number): number {
    const { missed, wrong, errors } = this.margins[r];
    const others = errors - wrong[t];
    return others > 0 && t !== p ? (missed[t] * wrong[p]) / others : 0;
  }

  value(t: number, p: number, measure = this.state.measure): number {
    const { which } = this.state;
    if (which < 2) return this.valueBy(which, t, p, measure);
    return this.valueBy(1, t, p, measure) - this.valueBy(0, t, p, measure);
  }

  /** Whether a cell's change stands at the false-discovery rate. */
  marked(t: number, p: number): boolean {
    if (this.state.which !== 2 || t === p) return false;
    const q = this.data.pairQ.get(Math.min(t, p) * this.data.size + Math.max(t, p));
    return q !== undefined && q <= this.data.level;
  }

  qOf(t: number, p: number): number | null {
    return this.data.pairQ.get(Math.min(t, p) * this.data.size + Math.max(t, p)) ?? null;
  }

  private *cells(): Generator<[number, number]> {
    const { data, state } = this;
    if (state.measure === "cosine") {
      for (let t = 0; t < data.size; t++) for (let p = 0; p < data.size; p++) yield [t, p];
      return;
    }
    for (const [at, result] of data.results.entries()) {
      if (state.which < 2 && state.which !== at) continue;
      for (const [t, row] of result.rows) {
        for (const p of row.keys()) {
          if (at === 1 && state.which === 2 && (data.results[0].rows.get(t)?.has(p) ?? false)) continue;
          yield [t, p];
        }
      }
    }
  }

  /** Cells with something in them, the strongest first (by size where differences may be negative). */
  ranked(limit: number): { t: number; p: number; value: number }[] {
    const found: { t: number; p: number; value: number }[] = [];
    const once = this.state.measure === "cosine";
    for (const [t, p] of this.cells()) {
      if (t === p || (once && t > p)) continue;
      const value = this.value(t, p);
      if (Number.isNaN(value) || (value === 0 && this.state.measure !== "cosine")) continue;
      found.push({ t, p, value });
    }
    const strength = this.state.which === 2 ? Math.abs : (v: number): number => v;
    const place = this.data.place;
    found.sort((a, b) => strength(b.value) - strength(a.value) || place[a.t] - place[b.t] || place[a.p] - place[b.p]);
    return limit > 0 ? found.slice(0, limit) : found;
  }

  scale(): Scale {
    return (this.scaleNow ??= this.findScale());
  }

  private findScale(): Scale {
    const { measure, which, log, hideDiagonal } = this.state;
    if (which === 2) {
      const change = this.ranked(0);
      // The few largest changes may saturate: the hundredth part of them, at most.
      const at = Math.floor(change.length / 200);
      const most = change.length > 0 ? Math.abs(change[Math.min(at, change.length - 1)].value) : 1;
      return { diverging: true, log: false, low: -(most || 1), high: most || 1 };
    }
    if (measure === "cosine") return { diverging: true, log: false, low: -1, high: 1 };
    if (measure === "expected") return { diverging: true, log: false, low: -5, high: 5 };
    let [low, high] = [Infinity, 0];
    for (const [t, p] of this.cells()) {
      if (hideDiagonal && t === p) continue;
      const value = this.value(t, p);
      if (value > 0) [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
    if (high === 0) [low, high] = [0, 1];
    return log && low < high ? { diverging: false, log: true, low, high } : { diverging: false, log: false, low: 0, high };
  }

  /** The sums of one result's counts between two blocks: [T * blocks + P]. */
  private sums(r: number): Float64Array {
    const key = `${r}`;
    let sums = this.blockSums.get(key);
    if (sums) return sums;
    const many = this.blocks.length;
    sums = new Float64Array(many * many);
    for (const [t, row] of this.data.results[r].rows) {
      for (const [p, n] of row) {
        if (t !== p) sums[this.blockOf[t] * many + this.blockOf[p]] += n;
      }
    }
    this.blockSums.set(key, sums);
    return sums;
  }

  members(node: number): number[] {
    const { first, last } = this.data.nodes[node];
    return Array.from(this.data.order.subarray(first, last + 1));
  }

  /** Count of items of one block predicted as a class of another; mistakes only. */
  blockCount(r: number, t: number, p: number): number {
    const [rows, columns] = [this.members(t), new Set(this.members(p))];
    let sum = 0;
    for (const row of rows) {
      for (const [column, n] of this.data.results[r].rows.get(row) ?? []) {
        if (column !== row && columns.has(column)) sum += n;
      }
    }
    return sum;
  }

  /** The value that paints a block of cells: mistakes only, per class for shares and per cell for counts. */
  blockValue(b: number, c: number): number {
    const { which } = this.state;
    return which < 2 ? this.blockValueBy(which, b, c) : this.blockValueBy(1, b, c) - this.blockValueBy(0, b, c);
  }

  private blockValueBy(r: number, b: number, c: number): number {
    const n = this.state.measure === "cosine" ? 0 : this.sums(r)[b * this.blocks.length + c];
    return this.nodesValueBy(r, this.blocks[b], this.blocks[c], n);
  }

  /** The value of a block of cells between any two nodes. */
  nodesValue(t: number, p: number): number {
    const by = (r: number): number =>
      this.nodesValueBy(r, t, p, this.state.measure === "cosine" ? 0 : this.blockCount(r, t, p));
    return this.state.which < 2 ? by(this.state.which) : by(1) - by(0);
  }

  private nodesValueBy(r: number, t: number, p: number, n: number): number {
    const { data, state } = this;
    const result = data.results[r];
    const [rows, columns] = [this.members(t), this.members(p)];
    const sum = (of: Float64Array, classes: number[]): number => classes.reduce((total, i) => total + of[i], 0);
    if (state.measure === "cosine") {
      let [total, pairs] = [0, 0];
      for (const i of rows) {
        for (const j of columns) {
          const value = i === j ? null : cosineOf(data, r, i, j);
          if (value !== null) [total, pairs] = [total + value, pairs + 1];
        }
      }
      return pairs ? total / pairs : 1;
    }
    const cells = rows.length * columns.length - (t === p ? rows.length : 0);
    switch (state.measure) {
      case "count":
        return cells ? n / cells : NaN;
      case "row":
        return sum(result.support, rows) > 0 ? n / sum(result.support, rows) : NaN;
      case "column":
        return sum(result.predicted, columns) > 0 ? n / sum(result.predicted, columns) : NaN;
      default: {
        let expected = 0;
        for (const i of rows) for (const j of columns) expected += this.expectedBy(r, i, j);
        return cells ? Math.log2((n + 0.5) / (expected + 0.5)) : NaN;
      }
    }
  }

  /** What a block is called: its best-connected class, and how many others. */
  blockName(node: number): string {
    let name = this.names.get(node);
    if (name === undefined) this.names.set(node, (name = this.findName(node)));
    return name;
  }

  private findName(node: number): string {
    const members = this.members(node);
    if (members.length === 1) return this.data.names[members[0]];
    const result = this.data.results[this.state.which === 1 ? 1 : 0];
    let [best, most] = [members[0], -Infinity];
    const sample = members.length > 60 ? members.filter((_, i) => i % Math.ceil(members.length / 60) === 0) : members;
    for (const i of sample) {
      let total = 0;
      for (const j of sample) {
        if (i !== j) total += result.cosine ? (cosineOf(this.data, this.data.results.indexOf(result), i, j) ?? 0) : result.support[i];
      }
      if (total > most) [best, most] = [i, total];
    }
    return `${this.data.names[best]} + ${members.length - 1}`;
  }

  inSelection(c: number, selection: Selection | null = this.state.selection): boolean {
    if (!selection) return false;
    const { nodes, place } = this.data;
    const within = (node: number): boolean => nodes[node].first <= place[c] && place[c] <= nodes[node].last;
    switch (selection.kind) {
      case "class":
        return selection.c === c;
      case "cell":
        return selection.t === c || selection.p === c;
      case "block":
        return within(selection.node);
      case "blocks":
        return within(selection.t) || within(selection.p);
    }
  }
}

export function share(scale: Scale, value: number): number {
  if (scale.log) return Math.log(Math.max(value, scale.low) / scale.low) / Math.log(scale.high / scale.low || 2);
  return (value - scale.low) / (scale.high - scale.low);
}
