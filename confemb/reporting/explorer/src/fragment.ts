/** The view as a URL fragment, and back: a link restores what is seen. */

import type { Data } from "./data.ts";
import { defaultCut, initialState, type Measure, MEASURES, type Selection, type State, type Which } from "./model.ts";

export function toFragment(data: Data, state: State): string {
  const usual = initialState(data);
  const parts = new URLSearchParams();
  if (state.measure !== usual.measure) parts.set("show", state.measure);
  if (state.which !== usual.which) parts.set("result", ["a", "b", "both"][state.which]);
  if (state.log !== usual.log) parts.set("log", state.log ? "1" : "0");
  if (state.hideDiagonal !== usual.hideDiagonal) parts.set("diagonal", state.hideDiagonal ? "0" : "1");
  if (state.strongest) parts.set("strongest", String(state.strongest));
  if (state.cut !== defaultCut(data.size)) parts.set("blocks", String(state.cut));
  if (state.collapsed.size) parts.set("collapsed", [...state.collapsed].join("."));
  const s = state.selection;
  if (s?.kind === "class") parts.set("class", data.names[s.c]);
  if (s?.kind === "cell") {
    parts.set("true", data.names[s.t]);
    parts.set("predicted", data.names[s.p]);
  }
  if (s?.kind === "block") parts.set("node", String(s.node));
  if (s?.kind === "blocks") parts.set("node", `${s.t}.${s.p}`);
  if (state.view) parts.set("view", [state.view.x, state.view.y, state.view.scale].map((v) => v.toFixed(2)).join("_"));
  return parts.toString();
}

/** Read a fragment; what it does not say, or says wrongly, is as usual. */
export function fromFragment(data: Data, text: string): State {
  const state = initialState(data);
  const parts = new URLSearchParams(text.replace(/^#/, ""));
  const number = (value: string | null, most: number): number | null => {
    const found = value === null ? NaN : Number(value);
    return Number.isInteger(found) && found >= 0 && found <= most ? found : null;
  };
  const measure = parts.get("show");
  if (measure !== null && Object.keys(MEASURES).includes(measure)) state.measure = measure as Measure;
  const which = ["a", "b", "both"].indexOf(parts.get("result") ?? "");
  if (which >= 0 && (data.results.length === 2 || which === 0)) state.which = which as Which;
  if (parts.has("log")) state.log = parts.get("log") === "1";
  if (parts.has("diagonal")) state.hideDiagonal = parts.get("diagonal") !== "1";
  state.strongest = number(parts.get("strongest"), 1e9) ?? 0;
  state.cut = Math.max(1, number(parts.get("blocks"), data.size) ?? state.cut);
  const node = (value: string | undefined): number | null => number(value ?? null, data.nodes.length - 1);
  for (const part of (parts.get("collapsed") ?? "").split(".").filter(Boolean)) {
    const n = node(part);
    if (n !== null && n >= data.size) state.collapsed.add(n);
  }
  state.selection = selectionIn(data, parts, node);
  const view = (parts.get("view") ?? "").split("_").map(Number);
  if (view.length === 3 && view.every(Number.isFinite) && view[2] > 0) state.view = { x: view[0], y: view[1], scale: view[2] };
  return state;
}

function selectionIn(data: Data, parts: URLSearchParams, node: (value: string | undefined) => number | null): Selection | null {
  const named = (key: string): number => data.names.indexOf(parts.get(key) ?? "\0");
  const [t, p, c] = [named("true"), named("predicted"), named("class")];
  if (t >= 0 && p >= 0) return { kind: "cell", t, p };
  if (c >= 0) return { kind: "class", c };
  const [first, second] = (parts.get("node") ?? "").split(".");
  const [a, b] = [node(first || undefined), node(second)];
  if (a !== null && b !== null) return { kind: "blocks", t: a, p: b };
  if (a !== null) return a < data.size ? { kind: "class", c: a } : { kind: "block", node: a };
  return null;
}
