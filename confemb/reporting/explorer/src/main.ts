/** The explorer: reads the data block, wires matrix, map, blocks, cards, table, search and keys together. */

import { at, css, theme } from "./colour.ts";
import { bothOf, cosineOf, countOf, type Data, intervalOf, unpack } from "./data.ts";
import { Cards, sourceName } from "./cards.ts";
import { byId, decimal, fill, h, many, percent, signedPercent, whole } from "./dom.ts";
import { saveCsv, savePng, saveSvg } from "./exporting.ts";
import { fromFragment, toFragment } from "./fragment.ts";
import { ClassMap } from "./map.ts";
import { Matrix } from "./matrix.ts";
import { type Measure, MEASURES, Model, type Selection, type State, type Which } from "./model.ts";
import { searchField } from "./search.ts";

const TABLE_ROWS = 100;

class Explorer {
  private state: State;
  private model: Model;
  private matrix: Matrix;
  private map: ClassMap;
  private cards: Cards;
  private dark = matchMedia("(prefers-color-scheme: dark)");
  private writing = 0;

  constructor(private readonly data: Data) {
    this.state = fromFragment(data, location.hash);
    this.model = new Model(data, this.state);
    const colours = theme(this.dark.matches);
    this.matrix = new Matrix(byId("matrix"), this.model, colours, {
      hover: (selection, x, y) => this.hover(selection, x, y),
      choose: (selection) => this.choose(selection),
      collapse: (node) => this.collapse(node),
      moved: () => this.moved(),
    });
    this.map = new ClassMap(byId("map"), this.model, colours, {
      hover: (selection) => this.hover(selection),
      choose: (selection) => this.choose(selection, true),
    });
    this.cards = new Cards(byId("card"), this.model, {
      choose: (selection) => this.choose(selection, true),
      hover: (selection) => this.hover(selection),
      collapse: (node) => this.collapse(node),
    });
    this.head();
    this.controls();
    this.keys();
    searchField(
      data,
      (c) => {
        this.choose({ kind: "class", c }, true);
        byId("matrix").focus({ preventScroll: true });
      },
      (c) => this.hover(c === null ? null : { kind: "class", c }),
    );
    this.watch();
    this.matrix.resize();
    this.map.resize();
    if (this.state.view) this.matrix.setView(this.state.view);
    this.refresh();
    document.documentElement.dataset.ready = "yes";
  }

  private head(): void {
    const { data } = this;
    byId("title").textContent = data.title;
    byId("description").textContent = data.description;
    byId("maphelp").textContent = `classical scaling of the cosines; keeps ${Math.round(data.kept * 100)} % of the scatter`;
  }

  private watch(): void {
    const sizes = new ResizeObserver(() => {
      this.matrix.resize();
      this.map.resize();
      this.legend();
    });
    sizes.observe(byId("matrix"));
    sizes.observe(byId("map"));
    this.dark.addEventListener("change", () => {
      this.matrix.theme = this.map.theme = theme(this.dark.matches);
      this.refresh();
    });
    addEventListener("hashchange", () => this.restore());
  }

  /** Take the view that the address names, after it was changed by hand or by going back. */
  private restore(): void {
    if (location.hash.slice(1) === toFragment(this.data, this.state)) return;
    Object.assign(this.state, fromFragment(this.data, location.hash));
    this.model.recut();
    if (this.state.view) this.matrix.setView(this.state.view);
    else this.matrix.fit();
    this.setControls();
    this.refresh();
  }

  // ---- controls -------------------------------------------------------------------------------------------------

  private controls(): void {
    const { data, state } = this;
    const measure = byId<HTMLSelectElement>("measure");
    for (const [key, { name }] of Object.entries(MEASURES)) {
      if (key === "cosine" && !this.model.hasCosine) continue;
      measure.append(h("option", { value: key }, name));
    }
    measure.addEventListener("change", () => this.set({ measure: measure.value as Measure }));
    const which = byId("which");
    if (data.results.length === 2) {
      const names = [`A: ${data.results[0].name}`, `B: ${data.results[1].name}`, "B − A"];
      names.forEach((text, i) => {
        which.append(h("button", { type: "button", "aria-pressed": false, title: text, onclick: () => this.set({ which: i as Which, selection: state.selection }) }, i < 2 ? "AB"[i] : text));
      });
      which.hidden = false;
    }
    const box = (id: string, change: (on: boolean) => Partial<State>): void => {
      const input = byId<HTMLInputElement>(id);
      input.addEventListener("change", () => this.set(change(input.checked)));
    };
    box("log", (log) => ({ log }));
    box("diagonal", (hideDiagonal) => ({ hideDiagonal }));
    const strongest = byId<HTMLSelectElement>("strongest");
    for (const n of [10, 20, 50, 100, 200, 500, 1000, 5000]) {
      if (n < data.size * (data.size - 1)) strongest.append(h("option", { value: n }, `the ${whole(n)} strongest`));
    }
    strongest.addEventListener("change", () => this.set({ strongest: Number(strongest.value) }));
    const cut = byId<HTMLInputElement>("cut");
    cut.max = String(Math.log(Math.min(data.size, 200)));
    cut.addEventListener("input", () => this.cutTo(Math.round(Math.exp(Number(cut.value)))));
    byId("zoomin").addEventListener("click", () => this.matrix.zoomBy(1.8));
    byId("zoomout").addEventListener("click", () => this.matrix.zoomBy(1 / 1.8));
    byId("fit").addEventListener("click", () => this.matrix.fit());
    byId("png").addEventListener("click", () => savePng(this.matrix));
    byId("csv").addEventListener("click", () => saveCsv(this.matrix));
    byId("svg").addEventListener("click", () => {
      if (!saveSvg(this.matrix)) this.say("Too many cells are in view for an SVG: zoom in, or save a PNG.");
    });
    byId("copylink").addEventListener("click", () => this.copyLink());
    byId("more").addEventListener("click", () => byId("side").scrollIntoView({ behavior: "smooth" }));
    for (const [tab, panel] of [["tabmap", "mappanel"], ["tabblocks", "blockspanel"]]) {
      byId(tab).addEventListener("click", () => {
        for (const [other, its] of [["tabmap", "mappanel"], ["tabblocks", "blockspanel"]]) {
          byId(other).setAttribute("aria-selected", String(other === tab));
          byId(its).hidden = its !== panel;
        }
        this.map.resize();
      });
    }
    this.setControls();
  }

  private copyLink(): void {
    this.writeFragment();
    const copied = navigator.clipboard?.writeText(location.href);
    void copied?.then(
      () => this.say("The link to this view is copied."),
      () => this.say("The address above leads to this view."),
    );
    if (!copied) this.say("The address above leads to this view.");
  }

  private setControls(): void {
    const { state } = this;
    byId<HTMLSelectElement>("measure").value = state.measure;
    byId<HTMLInputElement>("log").checked = state.log;
    byId<HTMLInputElement>("diagonal").checked = state.hideDiagonal;
    const strongest = byId<HTMLSelectElement>("strongest");
    strongest.value = String(state.strongest);
    if (!strongest.value) strongest.value = "0";
    byId<HTMLInputElement>("cut").value = String(Math.log(state.cut));
    [...byId("which").children].forEach((one, i) => one.setAttribute("aria-pressed", String(i === state.which)));
    const log = byId<HTMLInputElement>("log");
    log.disabled = state.which === 2 || state.measure === "cosine" || state.measure === "expected";
    byId("measurehelp").textContent = MEASURES[state.measure].help.replace("items", `${this.data.item}s`);
  }

  private set(change: Partial<State>): void {
    Object.assign(this.state, change);
    this.setControls();
    this.refresh();
  }

  private cutTo(count: number): void {
    if (count === this.state.cut) return;
    this.state.cut = count;
    this.model.recut();
    this.refresh(false);
  }

  private collapse(node: number): void {
    const { collapsed } = this.state;
    if (!collapsed.delete(node)) collapsed.add(node);
    this.refresh();
  }

  // ---- choosing -------------------------------------------------------------------------------------------------

  private choose(selection: Selection | null, reveal = false): void {
    this.state.selection = selection;
    this.state.hover = null;
    this.state.cursor = selection?.kind === "cell" ? { t: selection.t, p: selection.p } : this.state.cursor;
    if (selection?.kind !== "cell") this.state.cursor = null;
    if (selection && reveal) this.matrix.reveal(selection);
    this.cards.show();
    this.matrix.ask();
    this.map.ask();
    this.markBlocks();
    this.bar();
    this.tip(null);
    if (selection) this.say(this.summary(selection).join(", "));
    this.remember();
  }

  private hover(selection: Selection | null, x?: number, y?: number): void {
    this.state.hover = selection;
    this.matrix.ask();
    this.map.ask();
    this.markBlocks();
    this.tip(x === undefined ? null : selection, x, y);
    byId("matrix").style.cursor = selection && x !== undefined ? "pointer" : "default";
  }

  /** On a phone: what is chosen, at the foot of the screen. */
  private bar(): void {
    const { selection } = this.state;
    const bar = byId("bar");
    bar.hidden = !selection;
    if (selection) {
      const [first, ...rest] = this.summary(selection);
      fill(byId("bartext"), h("strong", {}, first), h("span", {}, rest.slice(0, 2).join(" · ")));
    }
  }

  /** A selection in words: its name first. */
  summary(selection: Selection): string[] {
    const { data, model, state } = this;
    const results = state.which === 2 ? [0, 1] : [state.which];
    if (selection.kind === "class") {
      const lines = [data.names[selection.c]];
      for (const r of results) {
        const result = data.results[r];
        const n = result.support[selection.c];
        lines.push(`${this.tag(r)}${n > 0 ? `${percent(result.hits[selection.c] / n)} of ${many(n, data.item)} right` : `no ${data.item}s`}`);
      }
      return lines;
    }
    if (selection.kind === "block") {
      const count = model.members(selection.node).length;
      return [model.blockName(selection.node), `${many(count, "class")}`];
    }
    if (selection.kind === "blocks") {
      const lines = [`${model.blockName(selection.t)} → ${model.blockName(selection.p)}`];
      for (const r of results) lines.push(`${this.tag(r)}${many(model.blockCount(r, selection.t, selection.p), "mistake")}`);
      return lines;
    }
    return this.cellSummary(selection.t, selection.p, results);
  }

  private tag(r: number): string {
    return this.state.which === 2 ? `${"AB"[r]}: ` : "";
  }

  private cellSummary(t: number, p: number, results: number[]): string[] {
    const { data, model } = this;
    const lines = [t === p ? `${data.names[t]}, predicted right` : `${data.names[t]} → ${data.names[p]}`];
    for (const r of results) {
      const result = data.results[r];
      const n = countOf(result, t, p);
      const row = result.support[t] > 0 ? percent(n / result.support[t]) : "–";
      lines.push(`${this.tag(r)}${whole(n)} of ${whole(result.support[t])} (${row})`);
      if (results.length === 1 && result.predicted[p] > 0) lines.push(`${percent(n / result.predicted[p])} of the predictions of ${data.names[p]}`);
    }
    if (results.length === 2) {
      const change = model.value(t, p, "row");
      const q = model.qOf(t, p);
      if (!Number.isNaN(change)) lines.push(`B − A: ${signedPercent(change)}${q === null || t === p ? "" : q <= data.level ? ", beyond chance" : ", may be chance"}`);
    }
    if (t === p) return lines;
    for (const r of results) {
      const value = cosineOf(data, r, t, p);
      if (value === null) continue;
      const bounds = data.results[r].sources.flatMap((source) => {
        const found = intervalOf(data, source, t, p);
        return found ? [`${sourceName(data, source.name)} ${decimal(found[0])} to ${decimal(found[1])}`] : [];
      });
      lines.push(`${this.tag(r)}cosine ${decimal(value)}${bounds.length ? ` (${bounds.join("; ")})` : ""}`);
      const both = bothOf(data, r, t, p);
      if (both) lines.push(`the seeds split: ${decimal(both[0])} or ${decimal(both[1])}`);
    }
    return lines;
  }

  private tip(selection: Selection | null, x = 0, y = 0): void {
    const tip = byId("tip");
    tip.hidden = !selection;
    if (!selection) return;
    const [first, ...rest] = this.summary(selection);
    fill(tip, h("strong", {}, first), ...rest.map((line) => h("span", {}, line)));
    const box = byId("matrix").getBoundingClientRect();
    const [width, height] = [tip.offsetWidth, tip.offsetHeight];
    const left = x + 18 + width > box.width ? Math.max(4, x - width - 14) : x + 18;
    const top = y + 18 + height > box.height ? Math.max(4, y - height - 12) : y + 18;
    tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  private say(text: string): void {
    byId("live").textContent = text;
    const toast = byId("toast");
    if (/link|address|cells/.test(text) && !this.state.hover) {
      toast.textContent = text;
      toast.hidden = false;
      setTimeout(() => (toast.hidden = true), 3500);
    }
  }

  // ---- keys -----------------------------------------------------------------------------------------------------

  private keys(): void {
    addEventListener("keydown", (event) => {
      const typing = event.target instanceof HTMLInputElement && event.target.type !== "checkbox" && event.target.type !== "range";
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/") {
        event.preventDefault();
        byId("search").focus();
      } else if (event.key === "Escape") this.back();
      else if (event.target === byId("matrix") && this.matrixKey(event)) event.preventDefault();
    });
    byId("matrix").addEventListener("focus", () => {
      if (!byId("matrix").matches(":focus-visible") || this.state.cursor) return;
      const { order } = this.data;
      const at = Math.floor(this.matrix.view.y);
      this.state.cursor = { t: order[Math.max(0, at)], p: order[Math.max(0, Math.floor(this.matrix.view.x))] };
      this.matrix.ask();
    });
    byId("matrix").addEventListener("blur", () => {
      if (this.state.selection?.kind !== "cell") this.state.cursor = null;
      this.matrix.ask();
    });
  }

  /** Escape: first the choice, then the zoom. */
  private back(): void {
    if (this.state.selection) this.choose(null);
    else if (!this.matrix.isWhole()) this.matrix.fit();
    else this.state.cursor = null;
    this.matrix.ask();
  }

  private matrixKey(event: KeyboardEvent): boolean {
    const steps: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const step = steps[event.key];
    if (step) this.stepBy(step, event.shiftKey ? 10 : 1);
    else if (event.key === "Enter" || event.key === " ") {
      const { cursor } = this.state;
      if (cursor) this.choose(cursor.t === cursor.p ? { kind: "class", c: cursor.t } : { kind: "cell", ...cursor });
    } else if (event.key === "+" || event.key === "=") this.matrix.zoomBy(1.8);
    else if (event.key === "-") this.matrix.zoomBy(1 / 1.8);
    else if (event.key === "0") this.matrix.fit();
    else return false;
    return true;
  }

  private stepBy([rows, columns]: [number, number], by: number): void {
    const { data, state } = this;
    const { order, place, size } = data;
    const start = state.cursor ?? { t: order[0], p: order[0] };
    const moved = (c: number, step: number): number => order[Math.min(Math.max(place[c] + step * by, 0), size - 1)];
    state.cursor = state.cursor ? { t: moved(start.t, rows), p: moved(start.p, columns) } : start;
    const { t, p } = state.cursor;
    this.matrix.reveal({ kind: "cell", t, p });
    this.matrix.ask();
    const lines = this.summary({ kind: "cell", t, p });
    this.say(lines.join(", "));
    const { frame, view } = this.matrix;
    this.tip({ kind: "cell", t, p }, frame.left + (place[p] + 1 - view.x) * view.scale, frame.top + (place[t] + 1 - view.y) * view.scale);
  }

  // ---- what is drawn outside of the canvases --------------------------------------------------------------------

  private refresh(card = true): void {
    this.model.changed();
    this.matrix.repaint();
    this.map.ask();
    this.legend();
    this.blockList();
    this.table();
    if (card) this.cards.show();
    this.bar();
    const { cut } = this.state;
    byId("cutvalue").textContent = many(Math.min(cut, this.data.size), "block");
    byId("cut").setAttribute("aria-valuetext", many(cut, "block"));
    byId("matrix").setAttribute(
      "aria-label",
      `Confusion matrix of ${many(this.data.size, "class")}, true by predicted, showing ${MEASURES[this.state.measure].name.toLowerCase()}. ` +
        "Arrow keys move from cell to cell, Enter opens one, plus and minus zoom. The table below lists the same numbers.",
    );
    this.remember();
  }

  private legend(): void {
    const canvas = byId<HTMLCanvasElement>("legend");
    const scale = this.model.scale();
    const { theme: colours } = this.matrix;
    const [width, height] = [180, 10];
    canvas.width = width * 2;
    canvas.height = height * 2;
    const context = canvas.getContext("2d");
    if (!context) return;
    for (let x = 0; x < canvas.width; x++) {
      context.fillStyle = css(at(scale.diverging ? colours.diverging : colours.sequential, x / (canvas.width - 1)));
      context.fillRect(x, 0, 1, canvas.height);
    }
    const middle = scale.log ? Math.sqrt(scale.low * scale.high) : (scale.low + scale.high) / 2;
    fill(byId("ticks"), ...[scale.low, middle, scale.high].map((value) => h("span", {}, this.tick(value))));
  }

  private tick(value: number): string {
    const { measure, which } = this.state;
    const sign = which === 2 && value > 0 ? "+" : "";
    if (measure === "expected" && which < 2) return value < 0 ? `1/${Math.round(2 ** -value)}` : `×${Math.round(2 ** value)}`;
    if (measure === "cosine" || measure === "expected") return sign + decimal(value, measure === "cosine" && which < 2 ? 0 : 2);
    if (measure === "count") return sign + whole(Math.round(value * 10) / 10).replace("-", "−");
    return sign + percent(value, Math.abs(value) < 0.1 ? 1 : 0);
  }

  /** The blocks of the cut as a list that opens: the tree for keyboards and screen readers. */
  private blockList(): void {
    const { data, model } = this;
    const list = byId("blocks");
    const open = new Set([...list.querySelectorAll("details[open]")].map((one) => (one as HTMLElement).dataset.node));
    fill(
      list,
      ...model.blocks.map((node) => {
        const members = model.members(node);
        const selection: Selection = node < data.size ? { kind: "class", c: node } : { kind: "block", node };
        const swatch = h("i", { class: "swatch" });
        swatch.style.background = this.matrix.blockColour(node);
        const button = (text: string, chosen: Selection): HTMLElement =>
          h(
            "button",
            {
              type: "button",
              class: "link",
              onclick: (event) => (event.preventDefault(), this.choose(chosen, true)),
              onmouseenter: () => this.hover(chosen),
              onmouseleave: () => this.hover(null),
            },
            text,
          );
        if (members.length === 1) return h("div", { class: "single", "data-node": node }, swatch, button(data.names[members[0]], selection));
        const inner = h("p", { class: "names" });
        const details = h("details", { "data-node": node }, h("summary", {}, swatch, button(model.blockName(node), selection)), inner);
        const show = (): void => {
          if (inner.childElementCount) return;
          members.forEach((c, i) => inner.append(i ? ", " : "", button(data.names[c], { kind: "class", c })));
        };
        details.addEventListener("toggle", show);
        if (open.has(String(node))) {
          details.open = true;
          show();
        }
        return details;
      }),
    );
    this.markBlocks();
  }

  private markBlocks(): void {
    const { model, state } = this;
    for (const one of byId("blocks").children) {
      const node = Number((one as HTMLElement).dataset.node);
      const on = model.members(node).some((c) => model.inSelection(c) || model.inSelection(c, state.hover));
      one.classList.toggle("on", on);
    }
  }

  /** The strongest cells as a table: the matrix for a screen reader. */
  private table(): void {
    const { data, model, state } = this;
    const limit = Math.min(state.strongest || TABLE_ROWS, 1000);
    const rows = model.ranked(limit);
    const two = data.results.length === 2;
    const tags = two ? ["A ", "B "] : [""];
    const head = ["True", "Predicted", ...tags.flatMap((tag) => [`${tag}count`, `${tag}row share`, `${tag}column share`]), ...(model.hasCosine ? tags.map((tag) => `${tag}cosine`) : []), ...(two ? ["B − A row share"] : []), ...(data.tested ? ["q"] : [])];
    const body = h("tbody", {});
    for (const { t, p } of rows) {
      const choose = (): void => {
        this.choose({ kind: "cell", t, p }, true);
        byId("side").scrollIntoView({ block: "nearest" });
      };
      const cells = data.results.flatMap((result) => {
        const n = countOf(result, t, p);
        return [whole(n), result.support[t] > 0 ? percent(n / result.support[t]) : "–", result.predicted[p] > 0 ? percent(n / result.predicted[p]) : "–"];
      });
      if (model.hasCosine) data.results.forEach((_, r) => cells.push(decimal(cosineOf(data, r, t, p) ?? NaN)));
      if (two) cells.push(signedPercent(model.value(t, p, "row")));
      const q = model.qOf(t, p);
      if (data.tested) cells.push(q === null ? "–" : q < 0.001 ? "< 0.001" : decimal(q, 3));
      body.append(
        h("tr", {}, h("th", { scope: "row" }, h("button", { type: "button", class: "link", onclick: choose }, data.names[t])), h("td", {}, data.names[p]), ...cells.map((text) => h("td", { class: "n" }, text))),
      );
    }
    fill(
      byId("table"),
      h("caption", {}, `The ${whole(rows.length)} strongest confusions by ${MEASURES[state.measure].name.toLowerCase()}${state.which === 2 ? ", B − A" : ""}`),
      h("thead", {}, h("tr", {}, ...head.map((text, i) => h("th", { scope: "col", class: i > 1 ? "n" : null }, text)))),
      body,
    );
  }

  // ---- the address ----------------------------------------------------------------------------------------------

  private moved(): void {
    this.tip(null);
    this.remember();
  }

  private remember(): void {
    clearTimeout(this.writing);
    this.writing = window.setTimeout(() => this.writeFragment(), 250);
  }

  private writeFragment(): void {
    this.state.view = this.matrix.isWhole() ? null : this.matrix.view;
    const fragment = toFragment(this.data, this.state);
    try {
      history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
    } catch {
      // In a notebook's frame there is no address of its own.
    }
  }
}

const block = document.getElementById("data");
if (block) {
  const data = unpack(block.textContent ?? "");
  // The text is several times as large as what was read from it.
  block.remove();
  new Explorer(data);
}

