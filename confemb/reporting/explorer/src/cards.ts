/** The side panel: what is known of the classifier, a class, a cell or a block. */

import { bothOf, cosineOf, countOf, type Data, intervalOf, wilson } from "./data.ts";
import { decimal, fill, h, many, percent, signedPercent, whole } from "./dom.ts";
import { evidence } from "./evidence.ts";
import type { Model, Selection } from "./model.ts";

export interface CardEvents {
  choose(selection: Selection | null): void;
  hover(selection: Selection | null): void;
  collapse(node: number): void;
}

const LISTED = 8;

/** "pictures" may be texts. */
export function sourceName(data: Data, name: string): string {
  return name === "pictures" ? `${data.item}s` : name;
}

function interval([low, high]: [number, number]): string {
  return `${percent(low).replace(" %", "")} to ${percent(high)}`;
}

export class Cards {
  constructor(
    readonly root: HTMLElement,
    readonly model: Model,
    private readonly events: CardEvents,
  ) {}

  /** The result whose own figures are shown: B where two are compared. */
  private get shown(): number {
    const { which } = this.model.state;
    return which === 2 ? 1 : which;
  }

  show(): void {
    const { selection } = this.model.state;
    const kind = selection?.kind;
    if (!selection) fill(this.root, ...this.overview());
    else if (kind === "cell") fill(this.root, ...this.cell(selection.t, selection.p));
    else if (kind === "class") fill(this.root, ...this.ofClass(selection.c));
    else if (kind === "block") fill(this.root, ...this.block(selection.node));
    else fill(this.root, ...this.blocks(selection.t, selection.p));
    this.root.scrollTop = 0;
  }

  private link(text: string, selection: Selection, extra = ""): HTMLElement {
    return h(
      "button",
      {
        type: "button",
        class: `link ${extra}`,
        onclick: () => this.events.choose(selection),
        onmouseenter: () => this.events.hover(selection),
        onmouseleave: () => this.events.hover(null),
      },
      text,
    );
  }

  private heading(kicker: string, ...title: (Node | string)[]): HTMLElement {
    const back = h("button", { type: "button", class: "back", "aria-label": "Back to the overview", onclick: () => this.events.choose(null) }, "×");
    return h("header", { class: "cardhead" }, h("p", { class: "kicker" }, kicker), h("h2", { tabindex: "-1" }, ...title), back);
  }

  private facts(...pairs: ([string, string, string?] | null)[]): HTMLElement {
    const list = h("dl", { class: "facts" });
    for (const pair of pairs) {
      if (!pair) continue;
      list.append(h("div", {}, h("dt", {}, pair[0]), h("dd", {}, pair[1]), pair[2] ? h("dd", { class: "small" }, pair[2]) : null));
    }
    return list;
  }

  private pairsList(pairs: { t: number; p: number; share: number; text: string }[]): HTMLElement {
    const list = h("ol", { class: "bars" });
    const most = Math.max(...pairs.map((pair) => Math.abs(pair.share)), 1e-9);
    for (const { t, p, share, text } of pairs) {
      const bar = h("i", { class: share < 0 ? "bar less" : "bar" });
      bar.style.width = `${(Math.abs(share) / most) * 100}%`;
      const { names } = this.model.data;
      list.append(
        h("li", {}, bar, this.link(`${names[t]} → ${names[p]}`, { kind: "cell", t, p }, "name"), h("span", { class: "n" }, text)),
      );
    }
    return list;
  }

  // ---- nothing chosen -------------------------------------------------------------------------------------------

  private overview(): (HTMLElement | null)[] {
    const { data, state } = this.model;
    if (data.results.length === 2 && state.which === 2) return this.comparison();
    const result = data.results[this.shown];
    const right = result.total > 0 ? result.right / result.total : 0;
    const pairs = this.strongestShares();
    return [
      data.results.length === 2 ? h("p", { class: "kicker" }, result.name) : null,
      this.facts(
        [data.members ? "blocks" : "classes", whole(data.size)],
        [`${data.item}s`, whole(result.total)],
        ["right", percent(right), interval(wilson(result.right, result.total))],
      ),
      h("h3", {}, "Most confused"),
      this.pairsList(pairs),
      h(
        "p",
        { class: "note" },
        `The share of a class that is predicted as another. Choose a cell, a name or a branch to see what is behind it; press / to search.`,
      ),
      ...this.notes(),
    ];
  }

  private notes(): HTMLElement[] {
    return this.model.data.notes.map((text) => h("p", { class: "note" }, text));
  }

  private strongestShares(): { t: number; p: number; share: number; text: string }[] {
    const { data } = this.model;
    const r = this.shown;
    const pairs: { t: number; p: number; share: number; text: string }[] = [];
    for (const [t, row] of data.results[r].rows) {
      for (const [p, n] of row) {
        if (t !== p) pairs.push({ t, p, share: n / data.results[r].support[t], text: "" });
      }
    }
    pairs.sort((a, b) => b.share - a.share || a.t - b.t || a.p - b.p);
    const first = pairs.slice(0, 10);
    for (const pair of first) pair.text = percent(pair.share);
    return first;
  }

  private comparison(): (HTMLElement | null)[] {
    const { data } = this.model;
    const [a, b] = data.results;
    const shares = [a, b].map((one) => (one.total > 0 ? one.right / one.total : 0));
    const recall = (r: number, c: number): number => {
      const one = data.results[r];
      return one.support[c] > 0 ? one.hits[c] / one.support[c] : NaN;
    };
    const moved = Array.from({ length: data.size }, (_, c) => ({ c, by: recall(1, c) - recall(0, c) })).filter(({ by }) => by);
    moved.sort((x, y) => y.by - x.by || x.c - y.c);
    const half = Math.ceil(moved.length / 2);
    const gained = moved.filter(({ by }) => by > 0).slice(0, Math.min(6, half));
    const lost = moved.filter(({ by }) => by < 0).reverse().slice(0, Math.min(6, half));
    const list = (rows: { c: number; by: number }[]): HTMLElement => {
      const found = h("ol", { class: "bars" });
      const most = Math.max(...moved.map(({ by }) => Math.abs(by)), 1e-9);
      for (const { c, by } of rows) {
        const bar = h("i", { class: by < 0 ? "bar less" : "bar" });
        bar.style.width = `${(Math.abs(by) / most) * 100}%`;
        const q = data.recallQ?.[c];
        const sure = q !== undefined && q <= data.level;
        found.append(
          h(
            "li",
            {},
            bar,
            this.link(data.names[c], { kind: "class", c }, "name"),
            h("span", { class: "n" }, `${percent(recall(0, c))} → ${percent(recall(1, c))}${sure ? " •" : ""}`),
          ),
        );
      }
      return found;
    };
    const changes = this.model.ranked(0).map(({ t, p }) => ({ t, p, share: this.model.value(t, p, "row") }));
    changes.sort((x, y) => Math.abs(y.share) - Math.abs(x.share));
    const top = changes.slice(0, 10).map((one) => ({ ...one, text: `${signedPercent(one.share)}${this.model.marked(one.t, one.p) ? " •" : ""}` }));
    const marked = [...data.pairQ.values()].filter((q) => q <= data.level).length;
    return [
      this.facts(
        ["A", a.name, `${percent(shares[0])} of ${whole(a.total)} right`],
        ["B", b.name, `${percent(shares[1])} of ${whole(b.total)} right`],
      ),
      h("h3", {}, "Confusions that changed most, B over A"),
      this.pairsList(top),
      data.tested
        ? h("p", { class: "note" }, `• stands beyond chance: ${many(marked, "pair")} of classes at a false-discovery rate of ${data.level}. A pair is tested in both directions together, ${data.item} by ${data.item}.`)
        : null,
      gained.length ? h("h3", {}, "Classes that gained") : null,
      gained.length ? list(gained) : null,
      lost.length ? h("h3", {}, "Classes that lost") : null,
      lost.length ? list(lost) : null,
      ...this.notes(),
    ];
  }

  // ---- a cell ---------------------------------------------------------------------------------------------------

  private cell(t: number, p: number): (HTMLElement | null)[] {
    const { data } = this.model;
    if (t === p) return this.ofClass(t);
    const title = [this.link(data.names[t], { kind: "class", c: t }), h("span", { class: "arrow" }, " → "), this.link(data.names[p], { kind: "class", c: p })];
    const two = data.results.length === 2;
    const rows = data.results.map((_, r) => this.cellFacts(r, t, p));
    const q = this.model.qOf(t, p);
    const results = two ? [0, 1] : [0];
    const found = results.map((r) =>
      evidence(data, {
        title: two ? `By ${data.results[r].name}` : `The ${data.item}s`,
        by: r,
        wanted: (label, first) => label === t && first === p,
        count: countOf(data.results[r], t, p),
      }),
    );
    return [
      this.heading("true class → predicted class", ...title),
      ...rows.map((row, r) => h("div", {}, two ? h("p", { class: "kicker" }, `${"AB"[r]}: ${data.results[r].name}`) : null, row)),
      two && q !== null
        ? h(
            "p",
            { class: "note" },
            `${q <= data.level ? "Beyond" : "Within"} chance: the two classes' confusion in both directions has q = ${q < 0.001 ? "< 0.001" : decimal(q, 3)} (false-discovery rate over all pairs).`,
          )
        : null,
      this.similarity(t, p),
      h("p", {}, this.link(`The other way: ${data.names[p]} → ${data.names[t]}`, { kind: "cell", t: p, p: t })),
      ...(two ? [h("div", { class: "sidebyside" }, ...found)] : found),
    ];
  }

  private cellFacts(r: number, t: number, p: number): HTMLElement {
    const { data } = this.model;
    const result = data.results[r];
    const n = countOf(result, t, p);
    const [row, column] = [result.support[t], result.predicted[p]];
    const expected = this.model.expectedBy(r, t, p);
    return this.facts(
      ["count", whole(n), `of ${whole(row)}`],
      ["row share", row > 0 ? percent(n / row) : "–", row > 0 ? interval(wilson(n, row)) : ""],
      ["column share", column > 0 ? percent(n / column) : "–", column > 0 ? `of ${whole(column)} predictions` : ""],
      ["expected", whole(expected), expected > 0 ? `× ${decimal(n / expected, 1)}` : ""],
    );
  }

  /** Cosine with an interval for each source, for each result. */
  private similarity(i: number, j: number): HTMLElement | null {
    const { data } = this.model;
    const box = h("div", { class: "similarity" });
    data.results.forEach((result, r) => {
      const value = cosineOf(data, r, i, j);
      if (value === null) return;
      const line = h("p", {}, h("strong", {}, `cosine ${decimal(value)}`));
      if (data.results.length === 2) line.prepend(`${"AB"[r]}: `);
      for (const source of result.sources) {
        const bounds = intervalOf(data, source, i, j);
        if (bounds) line.append(h("span", { class: "small" }, ` ${sourceName(data, source.name)} ${decimal(bounds[0])} to ${decimal(bounds[1])}`));
      }
      const both = bothOf(data, r, i, j);
      if (both) line.append(h("span", { class: "both" }, ` the seeds split: ${decimal(both[0])} or ${decimal(both[1])}`));
      box.append(line);
    });
    return box.childElementCount ? box : null;
  }

  // ---- a class --------------------------------------------------------------------------------------------------

  private ofClass(c: number): (HTMLElement | null)[] {
    const { data } = this.model;
    const r = this.shown;
    const result = data.results[r];
    const two = data.results.length === 2;
    const of = (k: number, n: number): string => (n > 0 ? percent(k / n) : "–");
    const card = (at: number): HTMLElement => {
      const one = data.results[at];
      return this.facts(
        ["support", whole(one.support[c])],
        ["recall", of(one.hits[c], one.support[c]), one.support[c] > 0 ? interval([one.recallLow[c], one.recallHigh[c]]) : ""],
        ["precision", of(one.hits[c], one.predicted[c]), one.predicted[c] > 0 ? interval([one.precisionLow[c], one.precisionHigh[c]]) : ""],
      );
    };
    const members = data.members?.[c];
    return [
      this.heading(members ? `block of ${many(members.length, "class")}` : "class", data.names[c]),
      ...data.results.map((_, at) => h("div", {}, two ? h("p", { class: "kicker" }, `${"AB"[at]}: ${data.results[at].name}`) : null, card(at))),
      members ? h("details", {}, h("summary", {}, "Its classes"), h("p", { class: "small" }, members.join(", "))) : null,
      h("div", { class: "columns" }, this.takenList(c, "for"), this.takenList(c, "it")),
      this.nearest(c),
      this.where(c),
      evidence(data, {
        title: "Hardest",
        by: r,
        wanted: (label, first) => label === c && first !== c,
        count: result.support[c] - result.hits[c],
        hardest: true,
      }),
      evidence(data, {
        title: "Most typical",
        by: r,
        wanted: (label, first) => label === c && first === c,
        count: result.hits[c],
      }),
    ];
  }

  private takenList(c: number, which: "for" | "it"): HTMLElement {
    const { data } = this.model;
    const result = data.results[this.shown];
    const pairs: { t: number; p: number; n: number }[] = [];
    if (which === "for") {
      for (const [p, n] of result.rows.get(c) ?? []) if (p !== c) pairs.push({ t: c, p, n });
    } else {
      for (const [t, row] of result.rows) if (t !== c && row.has(c)) pairs.push({ t, p: c, n: row.get(c) as number });
    }
    pairs.sort((a, b) => b.n - a.n || a.t - b.t || a.p - b.p);
    const base = which === "for" ? result.support[c] : result.predicted[c];
    const list = h("ol", { class: "bars" });
    for (const { t, p, n } of pairs.slice(0, LISTED)) {
      const bar = h("i", { class: "bar" });
      bar.style.width = `${(n / pairs[0].n) * 100}%`;
      const other = which === "for" ? p : t;
      list.append(h("li", {}, bar, this.link(data.names[other], { kind: "cell", t, p }, "name"), h("span", { class: "n" }, percent(n / base))));
    }
    return h(
      "div",
      {},
      h("h3", {}, which === "for" ? "Taken for" : "Taken for it"),
      pairs.length ? list : h("p", { class: "note" }, "nothing else"),
      pairs.length > LISTED ? h("p", { class: "note" }, `and ${pairs.length - LISTED} more`) : null,
    );
  }

  private nearest(c: number): HTMLElement | null {
    const { data } = this.model;
    const r = this.shown;
    const result = data.results[r];
    if (!result.cosine) return null;
    const others: { o: number; value: number }[] = [];
    for (let o = 0; o < data.size; o++) {
      const value = o === c ? null : cosineOf(data, r, c, o);
      if (value !== null) others.push({ o, value });
    }
    others.sort((a, b) => b.value - a.value || a.o - b.o);
    const list = h("ol", { class: "nearest" });
    for (const { o, value } of others.slice(0, LISTED)) {
      const track = h("div", { class: "track", "aria-hidden": "true" });
      const place = (v: number): string => `${((v + 1) / 2) * 100}%`;
      const texts: string[] = [];
      result.sources.forEach((source, s) => {
        const bounds = intervalOf(data, source, c, o);
        if (!bounds) return;
        const span = h("i", { class: `whisker s${s}` });
        span.style.left = place(bounds[0]);
        span.style.width = `${((bounds[1] - bounds[0]) / 2) * 100}%`;
        track.append(span);
        texts.push(`${sourceName(data, source.name)} ${decimal(bounds[0])} to ${decimal(bounds[1])}`);
      });
      const dot = h("i", { class: "dot" });
      dot.style.left = place(value);
      track.append(dot);
      const both = bothOf(data, r, c, o);
      if (both) {
        for (const one of both) {
          const half = h("i", { class: "dot half" });
          half.style.left = place(one);
          track.append(half);
        }
        texts.push(`the seeds split: ${decimal(both[0])} or ${decimal(both[1])}`);
      }
      list.append(
        h("li", {}, this.link(data.names[o], { kind: "class", c: o }, "name"), track, h("span", { class: "n" }, decimal(value)), h("span", { class: "small" }, texts.join(" · "))),
      );
    }
    const sources = result.sources.map((source) => `over ${sourceName(data, source.name)}`).join(" and ");
    return h("div", {}, h("h3", {}, "Nearest by cosine"), sources ? h("p", { class: "note" }, `From −1 to 1, with 95 % intervals ${sources}.`) : null, list);
  }

  /** Where a class lies in the tree: the branches above it. */
  private where(c: number): HTMLElement | null {
    const { data } = this.model;
    if (data.size < 3) return null;
    const line = h("p", { class: "trail" });
    const ups: number[] = [];
    for (let n = data.nodes[c].parent; n >= 0 && ups.length < 4; n = data.nodes[n].parent) ups.push(n);
    ups.forEach((n, i) => {
      const { first, last } = data.nodes[n];
      const before = i ? ups[i - 1] : c;
      const joined = data.nodes[n].left === before ? data.nodes[n].right : data.nodes[n].left;
      const text = `${i ? "then with " : "with "}${this.model.blockName(joined)}`;
      line.append(this.link(text, { kind: "block", node: n }), h("span", { class: "small" }, ` ${last - first + 1} classes`), i < ups.length - 1 ? " › " : "");
    });
    return h("div", {}, h("h3", {}, "In the tree"), line);
  }

  // ---- a block --------------------------------------------------------------------------------------------------

  private block(node: number): (HTMLElement | null)[] {
    const { data, state } = this.model;
    const members = this.model.members(node);
    const r = this.shown;
    const result = data.results[r];
    const support = members.reduce((sum, c) => sum + result.support[c], 0);
    const hits = members.reduce((sum, c) => sum + result.hits[c], 0);
    const within = this.model.blockCount(r, node, node);
    const inside = new Set(members);
    const pairs: { t: number; p: number; share: number; text: string }[] = [];
    for (const t of members) {
      for (const [p, n] of result.rows.get(t) ?? []) {
        if (p !== t && inside.has(p)) pairs.push({ t, p, share: n, text: whole(n) });
      }
    }
    pairs.sort((a, b) => b.share - a.share || a.t - b.t);
    const names = h("p", { class: "names" });
    members.slice(0, 200).forEach((c, i) => {
      if (i) names.append(", ");
      names.append(this.link(data.names[c], { kind: "class", c }));
    });
    if (members.length > 200) names.append(` and ${members.length - 200} more`);
    const folded = state.collapsed.has(node);
    return [
      this.heading("block of the tree", this.model.blockName(node)),
      this.facts(
        ["classes", whole(members.length)],
        ["right", support > 0 ? percent(hits / support) : "–", `of ${whole(support)}`],
        ["confused within", support > 0 ? percent(within / support) : "–", support > hits ? `${percent(within / (support - hits), 0)} of its mistakes` : ""],
      ),
      h("button", { type: "button", class: "quiet", "aria-pressed": folded, onclick: () => this.events.collapse(node) }, folded ? "Expand in matrix and tree" : "Collapse in matrix and tree"),
      names,
      pairs.length ? h("h3", {}, "Most confused within") : null,
      pairs.length ? this.pairsList(pairs.slice(0, LISTED)) : null,
      evidence(data, {
        title: "Mistakes within the block",
        by: r,
        wanted: (label, first) => label !== first && inside.has(label) && inside.has(first),
        count: within,
      }),
    ];
  }

  private blocks(t: number, p: number): (HTMLElement | null)[] {
    if (t === p) return t < this.model.data.size ? this.ofClass(t) : this.block(t);
    const { data } = this.model;
    const r = this.shown;
    const result = data.results[r];
    const [rows, columns] = [new Set(this.model.members(t)), new Set(this.model.members(p))];
    const n = this.model.blockCount(r, t, p);
    const support = [...rows].reduce((sum, c) => sum + result.support[c], 0);
    const pairs: { t: number; p: number; share: number; text: string }[] = [];
    for (const row of rows) {
      for (const [column, count] of result.rows.get(row) ?? []) {
        if (columns.has(column)) pairs.push({ t: row, p: column, share: count, text: whole(count) });
      }
    }
    pairs.sort((a, b) => b.share - a.share || a.t - b.t);
    const as = (node: number): Selection => (node < data.size ? { kind: "class", c: node } : { kind: "block", node });
    return [
      this.heading("true block → predicted block", this.link(this.model.blockName(t), as(t)), h("span", { class: "arrow" }, " → "), this.link(this.model.blockName(p), as(p))),
      this.facts(["count", whole(n), `of ${whole(support)}`], ["row share", support > 0 ? percent(n / support) : "–"]),
      pairs.length ? h("h3", {}, "Most confused") : null,
      pairs.length ? this.pairsList(pairs.slice(0, LISTED)) : h("p", { class: "note" }, "No mistake goes this way."),
      evidence(data, { title: `The ${data.item}s`, by: r, wanted: (label, first) => rows.has(label) && columns.has(first), count: n }),
    ];
  }
}
