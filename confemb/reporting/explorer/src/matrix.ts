/** The matrix: painted on a canvas with its tree, names and minimap; zoomed, dragged, clicked. */

import { at, css, inkOn, type Theme } from "./colour.ts";
import { countOf } from "./data.ts";
import { decimal, shortened, whole } from "./dom.ts";
import { type Model, type Selection, share, type View } from "./model.ts";
import { clamped, fitted, type Frame, frameFor, sees, showing, zoomed } from "./view.ts";

/** Below so many classes a picture of the whole matrix is kept; above, the part in view is painted. */
const MOST_KEPT = 2048;
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

export interface MatrixEvents {
  hover(selection: Selection | null, x: number, y: number, touch: boolean): void;
  choose(selection: Selection): void;
  collapse(node: number): void;
  moved(): void;
}

interface Picture {
  canvas: HTMLCanvasElement;
  x: number;
  y: number;
  span: number;
}

export class Matrix {
  frame: Frame;
  view: View;
  private context: CanvasRenderingContext2D;
  private classPicture: Picture | null = null;
  private blockPicture: Picture | null = null;
  private asked = false;
  private nodeY: Float64Array;
  private highest: number;
  private longest: number;
  private pointers = new Map<number, { x: number; y: number }>();
  private pressed: { x: number; y: number; view: View; moved: boolean; touch: boolean } | null = null;
  private pinch: { distance: number; view: View; x: number; y: number } | null = null;
  private animation = 0;

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly model: Model,
    public theme: Theme,
    private readonly events: MatrixEvents,
  ) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no canvas");
    this.context = context;
    const { data } = model;
    this.longest = Math.min(22, Math.max(...data.names.map((name) => Math.min(name.length, 60))));
    this.frame = frameFor(600, 600, data.size, this.longest);
    this.view = fitted(this.frame, data.size);
    this.nodeY = new Float64Array(data.nodes.length);
    data.nodes.forEach((node, n) => {
      this.nodeY[n] = node.left < 0 ? node.first + 0.5 : (this.nodeY[node.left] + this.nodeY[node.right]) / 2;
    });
    this.highest = data.nodes.length > data.size ? data.nodes[data.nodes.length - 1].height : 1;
    this.listen();
  }

  /** Take the size that the page gives. */
  resize(): void {
    const box = this.canvas.getBoundingClientRect();
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(box.width), Math.round(box.height)];
    if (width === 0 || height === 0) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const whole = this.isWhole();
    this.frame = frameFor(width, height, this.model.data.size, this.longest);
    this.view = whole ? fitted(this.frame, this.model.data.size) : clamped(this.view, this.frame, this.model.data.size);
    this.touchable();
    this.ask();
  }

  isWhole(): boolean {
    return this.view.scale <= (this.frame.side / this.model.data.size) * 1.001;
  }

  /** Paint the values anew: another measure, scale, cut or theme. */
  repaint(): void {
    this.classPicture = this.blockPicture = null;
    this.ask();
  }

  ask(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  /** How much of the classes shows through the blocks, from 0 to 1. */
  private get detail(): number {
    if (this.model.data.size <= 60) return 1;
    const t = Math.min(Math.max((this.view.scale - 1.6) / 2.4, 0), 1);
    return t * t * (3 - 2 * t);
  }

  get showsBlocks(): boolean {
    return this.detail < 0.5;
  }

  setView(view: View): void {
    this.view = clamped(view, this.frame, this.model.data.size);
    this.touchable();
    this.ask();
    this.events.moved();
  }

  animateTo(target: View): void {
    cancelAnimationFrame(this.animation);
    const goal = clamped(target, this.frame, this.model.data.size);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.setView(goal);
    const start = { ...this.view };
    const began = performance.now();
    const step = (now: number): void => {
      const t = Math.min((now - began) / 220, 1);
      const eased = 1 - (1 - t) ** 3;
      const scale = start.scale * (goal.scale / start.scale) ** eased;
      // The centre moves straight, the scale by equal factors.
      const middle = (v: View, axis: "x" | "y"): number => v[axis] + this.frame.side / v.scale / 2;
      const centre = (axis: "x" | "y"): number => middle(start, axis) + (middle(goal, axis) - middle(start, axis)) * eased;
      const half = this.frame.side / scale / 2;
      this.setView(t === 1 ? goal : { x: centre("x") - half, y: centre("y") - half, scale });
      if (t < 1) this.animation = requestAnimationFrame(step);
    };
    this.animation = requestAnimationFrame(step);
  }

  zoomBy(factor: number): void {
    const middle = this.frame.side / 2;
    this.animateTo(zoomed(this.view, this.frame, this.model.data.size, factor, middle, middle));
  }

  fit(): void {
    this.animateTo(fitted(this.frame, this.model.data.size));
  }

  /** Bring what is chosen into view, near enough for its names. */
  reveal(selection: Selection): void {
    const { data } = this.model;
    const span = (node: number): [number, number] => [data.nodes[node].first, data.nodes[node].last];
    const one = (c: number): [number, number] => [data.place[c], data.place[c]];
    const [rows, columns] =
      selection.kind === "cell"
        ? [one(selection.t), one(selection.p)]
        : selection.kind === "class"
          ? [one(selection.c), one(selection.c)]
          : selection.kind === "block"
            ? [span(selection.node), span(selection.node)]
            : [span(selection.t), span(selection.p)];
    const near = data.size <= 60 || this.view.scale >= 10 || selection.kind === "block" || selection.kind === "blocks";
    if (near && sees(this.view, this.frame, rows[0], columns[0]) && sees(this.view, this.frame, rows[1], columns[1])) return;
    this.animateTo(showing(rows, columns, this.frame, data.size));
  }

  private touchable(): void {
    this.canvas.style.touchAction = this.isWhole() ? "pan-y" : "none";
  }

  // ---- painting -------------------------------------------------------------------------------------------------

  private colourOf(value: number): [number, number, number] | null {
    if (Number.isNaN(value)) return null;
    const scale = this.model.scale();
    if (!scale.diverging && value === 0) return null;
    return at(scale.diverging ? this.theme.diverging : this.theme.sequential, share(scale, value));
  }

  /** Paint places x0.. by y0.. into a canvas, one pixel a cell. */
  private paintClasses(x0: number, y0: number, span: number): Picture {
    const { data, state } = this.model;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = span;
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    const image = context.createImageData(span, span);
    const put = (row: number, column: number, rgb: [number, number, number]): void => {
      const to = 4 * (row * span + column);
      [image.data[to], image.data[to + 1], image.data[to + 2], image.data[to + 3]] = [rgb[0], rgb[1], rgb[2], 255];
    };
    const strongest = state.strongest > 0 ? this.model.ranked(state.strongest) : null;
    const inside = (t: number, p: number): [number, number] | null => {
      const [row, column] = [data.place[t] - y0, data.place[p] - x0];
      return row >= 0 && row < span && column >= 0 && column < span ? [row, column] : null;
    };
    const paint = (t: number, p: number): void => {
      const where = inside(t, p);
      if (!where || (t === p && state.hideDiagonal)) return;
      const rgb = this.colourOf(this.model.value(t, p));
      if (rgb) put(where[0], where[1], rgb);
    };
    if (strongest) {
      for (const { t, p } of strongest) {
        paint(t, p);
        if (state.measure === "cosine") paint(p, t);
      }
      if (!state.hideDiagonal) for (let c = 0; c < data.size; c++) paint(c, c);
    } else if (state.measure === "cosine" || state.measure === "expected") {
      for (let row = y0; row < Math.min(y0 + span, data.size); row++) {
        for (let column = x0; column < Math.min(x0 + span, data.size); column++) paint(data.order[row], data.order[column]);
      }
    } else {
      for (const [index, result] of data.results.entries()) {
        if (state.which < 2 && state.which !== index) continue;
        for (let row = y0; row < Math.min(y0 + span, data.size); row++) {
          const t = data.order[row];
          for (const p of result.rows.get(t)?.keys() ?? []) paint(t, p);
        }
      }
    }
    this.paintCollapsed(image, x0, y0, span, put);
    context.putImageData(image, 0, 0);
    return { canvas, x: x0, y: y0, span };
  }

  private collapsedNodes(): number[] {
    const { data, state } = this.model;
    const inside = (n: number): boolean => {
      for (let up = data.nodes[n].parent; up >= 0; up = data.nodes[up].parent) if (state.collapsed.has(up)) return true;
      return false;
    };
    return [...state.collapsed].filter((n) => !inside(n));
  }

  /** Paint the rows and columns of collapsed blocks in one colour each. */
  private paintCollapsed(
    image: ImageData,
    x0: number,
    y0: number,
    span: number,
    put: (row: number, column: number, rgb: [number, number, number]) => void,
  ): void {
    const { data } = this.model;
    const collapsed = this.collapsedNodes();
    if (collapsed.length === 0) return;
    const units: number[] = [];
    for (let i = 0; i < data.size; ) {
      const node = collapsed.find((n) => data.nodes[n].first <= i && i <= data.nodes[n].last) ?? data.order[i];
      units.push(node);
      i = data.nodes[node].last + 1;
    }
    const clear = (row: number, column: number): void => void (image.data[4 * (row * span + column) + 3] = 0);
    for (const t of units) {
      for (const p of units) {
        if (t < data.size && p < data.size) continue;
        const rgb = this.colourOf(this.model.nodesValue(t, p));
        for (let i = Math.max(data.nodes[t].first, y0); i <= Math.min(data.nodes[t].last, y0 + span - 1); i++) {
          for (let j = Math.max(data.nodes[p].first, x0); j <= Math.min(data.nodes[p].last, x0 + span - 1); j++) {
            if (rgb) put(i - y0, j - x0, rgb);
            else clear(i - y0, j - x0);
          }
        }
      }
    }
  }

  private paintBlocks(): Picture {
    const { data, blocks } = this.model;
    const canvas = document.createElement("canvas");
    // One pixel a cell, or a few cells where classes are very many.
    const step = Math.ceil(data.size / MOST_KEPT);
    canvas.width = canvas.height = Math.ceil(data.size / step);
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    blocks.forEach((t, b) => {
      blocks.forEach((p, c) => {
        const rgb = this.colourOf(this.model.blockValue(b, c));
        if (!rgb) return;
        const [rows, columns] = [data.nodes[t], data.nodes[p]];
        context.fillStyle = css(rgb);
        context.fillRect(
          columns.first / step,
          rows.first / step,
          (columns.last - columns.first + 1) / step,
          (rows.last - rows.first + 1) / step,
        );
      });
    });
    return { canvas, x: 0, y: 0, span: step * canvas.width };
  }

  private classes(): Picture {
    const { data } = this.model;
    if (data.size <= MOST_KEPT) return (this.classPicture ??= this.paintClasses(0, 0, data.size));
    const span = Math.ceil(this.frame.side / this.view.scale) + 1;
    const [x, y] = [Math.floor(this.view.x), Math.floor(this.view.y)];
    const kept = this.classPicture;
    if (kept && kept.x <= x && kept.y <= y && kept.x + kept.span >= x + span && kept.y + kept.span >= y + span) return kept;
    return (this.classPicture = this.paintClasses(Math.max(0, x - 60), Math.max(0, y - 60), span + 120));
  }

  private draw(): void {
    const { context, frame, theme } = this;
    const ratio = this.canvas.width / frame.width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = theme.paper;
    context.fillRect(0, 0, frame.width, frame.height);
    this.drawOn(context);
  }

  /** Draw all of it: also used for the export. */
  private drawOn(context: CanvasRenderingContext2D): void {
    const { frame } = this;
    context.save();
    context.translate(frame.left, frame.top);
    context.beginPath();
    context.rect(0, 0, frame.side, frame.side);
    context.clip();
    this.drawCells(context);
    context.restore();
    this.drawNames(context);
    this.drawTree(context);
    if (!this.isWhole()) this.drawMinimap(context);
    this.drawAxes(context);
  }

  private lay(context: CanvasRenderingContext2D, picture: Picture, alpha: number): void {
    const { scale, x, y } = this.view;
    context.globalAlpha = alpha;
    context.imageSmoothingEnabled = false;
    // Only the part in view: scaling a large picture far beyond the canvas is slow.
    const unit = picture.span / picture.canvas.width;
    const span = this.frame.side / scale;
    const [sx, sy] = [Math.max(0, Math.floor((x - picture.x) / unit)), Math.max(0, Math.floor((y - picture.y) / unit))];
    const ex = Math.min(picture.canvas.width, Math.ceil((x + span - picture.x) / unit));
    const ey = Math.min(picture.canvas.height, Math.ceil((y + span - picture.y) / unit));
    if (ex > sx && ey > sy) {
      context.drawImage(
        picture.canvas,
        sx,
        sy,
        ex - sx,
        ey - sy,
        (picture.x + sx * unit - x) * scale,
        (picture.y + sy * unit - y) * scale,
        (ex - sx) * unit * scale,
        (ey - sy) * unit * scale,
      );
    }
    context.globalAlpha = 1;
  }

  private drawCells(context: CanvasRenderingContext2D): void {
    const { frame, theme, view, detail } = this;
    const { data, state, blocks } = this.model;
    context.fillStyle = theme.blank;
    context.fillRect(0, 0, frame.side, frame.side);
    if (detail < 1) this.lay(context, (this.blockPicture ??= this.paintBlocks()), 1);
    if (detail > 0) {
      if (detail === 1 || !(state.measure === "cosine")) {
        context.globalAlpha = detail;
        context.fillStyle = theme.blank;
        context.fillRect(0, 0, frame.side, frame.side);
      }
      this.lay(context, this.classes(), detail);
    }
    const { scale } = view;
    const first = { row: Math.floor(view.y), column: Math.floor(view.x) };
    const count = Math.ceil(frame.side / scale) + 1;
    if (scale >= 13) {
      context.strokeStyle = theme.paper;
      context.lineWidth = scale >= 30 ? 2 : 1;
      context.beginPath();
      for (let i = 0; i <= count; i++) {
        const x = (first.column + i - view.x) * scale;
        const y = (first.row + i - view.y) * scale;
        context.moveTo(x, 0);
        context.lineTo(x, frame.side);
        context.moveTo(0, y);
        context.lineTo(frame.side, y);
      }
      context.stroke();
    }
    this.drawBlockLines(context, blocks);
    if (scale >= 30) this.drawNumbers(context, first, count);
    if (state.which === 2 && scale >= 5) this.drawMarks(context, first, count);
    this.drawChosen(context);
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    context.strokeRect(0.5, 0.5, Math.min(frame.side, data.size * scale) - 1, Math.min(frame.side, data.size * scale) - 1);
  }

  private drawBlockLines(context: CanvasRenderingContext2D, blocks: number[]): void {
    const { frame, theme, view } = this;
    const { data } = this.model;
    if (blocks.length < 2) return;
    context.strokeStyle = theme.muted;
    context.globalAlpha = 0.22;
    context.lineWidth = 1;
    context.beginPath();
    for (const node of blocks.slice(1)) {
      const place = data.nodes[node].first;
      const [x, y] = [Math.round((place - view.x) * view.scale), Math.round((place - view.y) * view.scale)];
      if (x > 0 && x < frame.side) {
        context.moveTo(x, 0);
        context.lineTo(x, frame.side);
      }
      if (y > 0 && y < frame.side) {
        context.moveTo(0, y);
        context.lineTo(frame.side, y);
      }
    }
    context.stroke();
    context.globalAlpha = 0.8;
    for (const node of blocks) {
      const { first, last } = data.nodes[node];
      if (last === first && view.scale < 8) continue;
      const side = (last - first + 1) * view.scale;
      const [x, y] = [(first - view.x) * view.scale, (first - view.y) * view.scale];
      if (x > frame.side || y > frame.side || x + side < 0 || y + side < 0) continue;
      context.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
    }
    context.globalAlpha = 1;
  }

  /** What is written into a cell. */
  numberIn(t: number, p: number): string {
    const { state, data } = this.model;
    const value = this.model.value(t, p);
    if (Number.isNaN(value)) return "";
    const sign = state.which === 2 && value > 0 ? "+" : "";
    switch (state.measure) {
      case "count": {
        const n = state.which < 2 ? countOf(data.results[state.which], t, p) : value;
        return n === 0 ? "" : `${sign}${whole(n).replace("-", "−")}`;
      }
      case "cosine":
        return `${sign}${decimal(value).replace("0.", ".")}`;
      case "expected":
        return state.which < 2 ? `×${2 ** value >= 10 ? Math.round(2 ** value) : (2 ** value).toFixed(1)}` : `${sign}${decimal(value, 1)}`;
      default: {
        if (value === 0) return "";
        const text = (value * 100).toFixed(1);
        return `${sign}${text === "100.0" ? "100" : text.replace("-", "−")}`;
      }
    }
  }

  private drawNumbers(context: CanvasRenderingContext2D, first: { row: number; column: number }, count: number): void {
    const { theme, view } = this;
    const { data, state } = this.model;
    const shown = state.strongest > 0 ? new Set(this.model.ranked(state.strongest).map(({ t, p }) => t * data.size + p)) : null;
    const collapsed = this.collapsedNodes();
    const folded = (place: number): boolean => collapsed.some((n) => data.nodes[n].first <= place && place <= data.nodes[n].last);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${view.scale >= 56 ? 13 : view.scale >= 42 ? 12 : 10}px ${FONT}`;
    for (let row = Math.max(0, first.row); row < Math.min(first.row + count, data.size); row++) {
      for (let column = Math.max(0, first.column); column < Math.min(first.column + count, data.size); column++) {
        const [t, p] = [data.order[row], data.order[column]];
        if (folded(row) || folded(column)) continue;
        if (shown && t !== p && !shown.has(t * data.size + p) && !(state.measure === "cosine" && shown.has(p * data.size + t))) continue;
        if (t === p && state.measure === "cosine") continue;
        const rgb = t === p && state.hideDiagonal ? null : this.colourOf(this.model.value(t, p));
        context.fillStyle = rgb ? inkOn(rgb) : theme.muted;
        context.fillText(this.numberIn(t, p), (column + 0.5 - view.x) * view.scale, (row + 0.5 - view.y) * view.scale + 0.5);
      }
    }
  }

  private drawMarks(context: CanvasRenderingContext2D, first: { row: number; column: number }, count: number): void {
    const { theme, view } = this;
    const { data } = this.model;
    const radius = Math.min(3, view.scale / 6);
    for (let row = Math.max(0, first.row); row < Math.min(first.row + count, data.size); row++) {
      for (let column = Math.max(0, first.column); column < Math.min(first.column + count, data.size); column++) {
        const [t, p] = [data.order[row], data.order[column]];
        if (!this.model.marked(t, p)) continue;
        const rgb = this.colourOf(this.model.value(t, p));
        context.fillStyle = rgb ? inkOn(rgb) : theme.ink;
        const x = (column + (view.scale >= 30 ? 0.86 : 0.5) - view.x) * view.scale;
        const y = (row + (view.scale >= 30 ? 0.14 : 0.5) - view.y) * view.scale;
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.fill();
      }
    }
  }

  private drawChosen(context: CanvasRenderingContext2D): void {
    const { theme, view, frame } = this;
    const { data, state } = this.model;
    const box = (rows: [number, number], columns: [number, number], colour: string, width: number): void => {
      const x = (columns[0] - view.x) * view.scale;
      const y = (rows[0] - view.y) * view.scale;
      context.strokeStyle = colour;
      context.lineWidth = width;
      const least = 7;
      const [w, h] = [(columns[1] - columns[0] + 1) * view.scale, (rows[1] - rows[0] + 1) * view.scale];
      const [ww, hh] = [Math.max(w, least), Math.max(h, least)];
      context.strokeRect(x - (ww - w) / 2, y - (hh - h) / 2, ww, hh);
    };
    const band = (from: number, to: number): void => {
      context.fillStyle = theme.accent;
      context.globalAlpha = 0.1;
      const [x, y, side] = [(from - view.x) * view.scale, (from - view.y) * view.scale, Math.max(2, (to - from + 1) * view.scale)];
      context.fillRect(x, 0, side, frame.side);
      context.fillRect(0, y, frame.side, side);
      context.globalAlpha = 1;
    };
    const span = (n: number): [number, number] => [data.nodes[n].first, data.nodes[n].last];
    const one = (c: number): [number, number] => [data.place[c], data.place[c]];
    const show = (s: Selection | null, colour: string, width: number, bands: boolean): void => {
      if (!s) return;
      if (s.kind === "cell") box(one(s.t), one(s.p), colour, width);
      else if (s.kind === "blocks") box(span(s.t), span(s.p), colour, width);
      else if (s.kind === "block") {
        if (bands) band(...span(s.node));
        box(span(s.node), span(s.node), colour, width);
      } else {
        if (bands) band(...one(s.c));
        box(one(s.c), one(s.c), colour, width);
      }
    };
    show(state.hover, theme.ink, 1.5, true);
    show(state.selection, theme.accent, 2.5, true);
    if (state.cursor) {
      const { t, p } = state.cursor;
      box(one(t), one(p), theme.ink, 2);
    }
  }

  private drawNames(context: CanvasRenderingContext2D): void {
    const { frame, theme, view } = this;
    const { data, state } = this.model;
    const { scale } = view;
    const names = frame.left - frame.tree - 10;
    const labels: { from: number; to: number; text: string; strong: boolean; muted: boolean }[] = [];
    const marked = (c: number): boolean => this.model.inSelection(c) || this.model.inSelection(c, state.hover);
    const collapsed = this.collapsedNodes();
    if (scale >= 9) {
      const count = Math.ceil(frame.side / scale) + 1;
      const firsts = [Math.floor(view.x), Math.floor(view.y)];
      const from = Math.max(0, Math.min(...firsts));
      for (let i = from; i < Math.min(data.size, Math.max(...firsts) + count); i++) {
        if (collapsed.some((n) => data.nodes[n].first <= i && i <= data.nodes[n].last)) continue;
        const c = data.order[i];
        labels.push({ from: i, to: i, text: data.names[c], strong: marked(c), muted: false });
      }
    } else {
      for (const node of this.model.blocks) {
        const { first, last } = data.nodes[node];
        if (collapsed.some((n) => data.nodes[n].first <= first && last <= data.nodes[n].last)) continue;
        if ((last - first + 1) * scale < 12) continue;
        const strong = this.model.members(node).some((c) => marked(c));
        labels.push({ from: first, to: last, text: this.model.blockName(node), strong, muted: !strong });
      }
    }
    for (const node of collapsed) {
      const { first, last } = data.nodes[node];
      labels.push({ from: first, to: last, text: `▸ ${this.model.blockName(node)}`, strong: false, muted: true });
    }
    const size = scale >= 9 ? Math.min(13, Math.max(9, scale * 0.82)) : 11.5;
    const set = (label: { strong: boolean; muted: boolean }): void => {
      context.font = `${label.strong ? 650 : 400} ${size}px ${FONT}`;
      context.fillStyle = label.strong ? theme.accent : label.muted ? theme.muted : theme.ink;
    };
    context.textBaseline = "middle";
    for (const label of labels) {
      const y = ((label.from + label.to + 1) / 2 - view.y) * scale;
      if (y < 0 || y > frame.side) continue;
      set(label);
      context.textAlign = "right";
      context.fillText(this.clip(context, label.text, names), frame.left - 7, frame.top + y);
    }
    const slanted = scale >= 22 || scale < 9;
    for (const label of labels) {
      const x = ((label.from + label.to + 1) / 2 - view.x) * scale;
      if (x < 0 || x > frame.side) continue;
      set(label);
      context.save();
      context.translate(frame.left + x + (slanted ? -2 : 0), frame.top - 7);
      context.rotate(slanted ? -Math.PI / 4 : -Math.PI / 2);
      context.textAlign = "left";
      const room = Math.min((frame.top - 14) * (slanted ? 1.36 : 1), slanted ? (frame.width - frame.left - x) * 1.36 : Infinity);
      context.fillText(this.clip(context, label.text, room), 0, 0);
      context.restore();
    }
  }

  /** The longest beginning of a text that fits. */
  private clip(context: CanvasRenderingContext2D, text: string, room: number): string {
    const line = text.replace(/\s+/g, " ");
    if (context.measureText(line).width <= room) return line;
    let [low, high] = [1, Math.min(line.length, 80)];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (context.measureText(shortened(line, middle)).width <= room) low = middle;
      else high = middle - 1;
    }
    return shortened(line, low);
  }

  private treeX(height: number): number {
    return this.frame.tree - 4 - (height / (this.highest || 1)) * (this.frame.tree - 14);
  }

  private drawTree(context: CanvasRenderingContext2D): void {
    const { frame, theme, view, nodeY } = this;
    const { data, state } = this.model;
    const root = data.nodes.length - 1;
    if (root < data.size) return;
    context.save();
    context.beginPath();
    context.rect(0, frame.top, frame.tree, frame.side);
    context.clip();
    const y = (place: number): number => frame.top + (place - view.y) * view.scale;
    const blocks = new Set(this.model.blocks);
    const walk = (n: number, colour: string): void => {
      const node = data.nodes[n];
      const [top, bottom] = [y(node.first), y(node.last + 1)];
      if (bottom < frame.top || top > frame.top + frame.side) return;
      if (blocks.has(n)) colour = this.blockColour(n);
      if (node.left < 0) return;
      const x = this.treeX(node.height);
      const chosen = this.nodeChosen(n);
      context.strokeStyle = chosen ? theme.accent : colour;
      context.fillStyle = chosen ? theme.accent : colour;
      context.lineWidth = chosen ? 2 : 1;
      if (state.collapsed.has(n) || bottom - top < 3) {
        context.globalAlpha = state.collapsed.has(n) ? 0.5 : 1;
        context.beginPath();
        context.moveTo(x, (top + bottom) / 2);
        context.lineTo(frame.tree - 4, top + 0.5);
        context.lineTo(frame.tree - 4, bottom - 0.5);
        context.closePath();
        if (state.collapsed.has(n)) context.fill();
        else context.stroke();
        context.globalAlpha = 1;
        return;
      }
      context.beginPath();
      for (const child of [node.left, node.right]) {
        const at = y(nodeY[child]);
        const end = data.nodes[child].left < 0 ? frame.tree - 4 : this.treeX(data.nodes[child].height);
        context.moveTo(x, y(nodeY[n]));
        context.lineTo(x, at);
        context.lineTo(end, at);
      }
      context.stroke();
      walk(node.left, colour);
      walk(node.right, colour);
    };
    walk(root, theme.muted);
    const x = this.cutX();
    context.strokeStyle = theme.accent;
    context.globalAlpha = 0.7;
    context.setLineDash([4, 4]);
    context.beginPath();
    context.moveTo(x, frame.top);
    context.lineTo(x, frame.top + frame.side);
    context.stroke();
    context.restore();
  }

  private nodeChosen(n: number): boolean {
    const chosen = (s: Selection | null): boolean =>
      !!s && ((s.kind === "block" && s.node === n) || (s.kind === "blocks" && (s.t === n || s.p === n)));
    return chosen(this.model.state.selection) || chosen(this.model.state.hover);
  }

  private cutX(): number {
    const { data, blocks } = this.model;
    let [below, above] = [0, this.highest];
    for (const n of blocks) {
      below = Math.max(below, data.nodes[n].height);
      const { parent } = data.nodes[n];
      if (parent >= 0) above = Math.min(above, data.nodes[parent].height);
    }
    return this.treeX((below + Math.max(above, below)) / 2);
  }

  blockColour(n: number): string {
    const index = this.model.blocks.indexOf(n);
    return index < 0 ? this.theme.muted : this.theme.groups[index % this.theme.groups.length];
  }

  private minimapBox(): { x: number; y: number; side: number } {
    const side = Math.min(this.frame.top - 20, this.frame.left - 70, 96);
    return { x: 8, y: 8, side: Math.max(side, 34) };
  }

  private drawMinimap(context: CanvasRenderingContext2D): void {
    const { frame, theme, view } = this;
    const { data } = this.model;
    const box = this.minimapBox();
    context.fillStyle = theme.card;
    context.fillRect(box.x, box.y, box.side, box.side);
    const picture = data.size > 60 ? (this.blockPicture ??= this.paintBlocks()) : this.classes();
    context.imageSmoothingEnabled = true;
    context.drawImage(picture.canvas, box.x, box.y, box.side, box.side);
    context.strokeStyle = theme.muted;
    context.lineWidth = 1;
    context.strokeRect(box.x - 0.5, box.y - 0.5, box.side + 1, box.side + 1);
    const unit = box.side / data.size;
    const side = Math.max(4, (frame.side / view.scale) * unit);
    context.strokeStyle = theme.accent;
    context.lineWidth = 2;
    context.strokeRect(box.x + view.x * unit, box.y + view.y * unit, Math.min(side, box.side), Math.min(side, box.side));
  }

  private drawAxes(context: CanvasRenderingContext2D): void {
    const { frame, theme } = this;
    if (frame.left < 100) return;
    context.font = `11px ${FONT}`;
    context.fillStyle = theme.muted;
    context.textBaseline = "alphabetic";
    context.textAlign = "right";
    context.fillText("predicted →", frame.left - 7, frame.top - 20);
    context.fillText("true ↓", frame.left - 7, frame.top - 6);
  }

  // ---- pointing -------------------------------------------------------------------------------------------------

  /** What lies at a point of the canvas. */
  at(x: number, y: number): Selection | null {
    const { frame, view } = this;
    const { data, blocks, blockOf } = this.model;
    const [column, row] = [(x - frame.left) / view.scale + view.x, (y - frame.top) / view.scale + view.y];
    const inRows = y >= frame.top && y < frame.top + frame.side && row >= 0 && row < data.size;
    const inColumns = x >= frame.left && x < frame.left + frame.side && column >= 0 && column < data.size;
    const collapsed = this.collapsedNodes();
    const foldOf = (place: number): number | undefined =>
      collapsed.find((n) => data.nodes[n].first <= place && place <= data.nodes[n].last);
    const classOrBlock = (place: number): Selection => {
      const fold = foldOf(place);
      const c = data.order[place];
      if (fold !== undefined) return { kind: "block", node: fold };
      return view.scale >= 9 ? { kind: "class", c } : this.asBlock(blocks[blockOf[c]]);
    };
    if (inRows && inColumns) {
      const [i, j] = [Math.floor(row), Math.floor(column)];
      const [t, p] = [data.order[i], data.order[j]];
      const [ft, fp] = [foldOf(i), foldOf(j)];
      if (ft !== undefined || fp !== undefined) return { kind: "blocks", t: ft ?? t, p: fp ?? p };
      if (!this.showsBlocks) return { kind: "cell", t, p };
      return { kind: "blocks", t: blocks[blockOf[t]], p: blocks[blockOf[p]] };
    }
    if (inRows && x < frame.tree) return this.nodeAt(x, row);
    if (inRows && x < frame.left) return classOrBlock(Math.floor(row));
    if (inColumns && y < frame.top) return classOrBlock(Math.floor(column));
    return null;
  }

  private asBlock(node: number): Selection {
    return node < this.model.data.size ? { kind: "class", c: node } : { kind: "block", node };
  }

  private nodeAt(x: number, row: number): Selection {
    const { data } = this.model;
    let n = data.nodes.length - 1;
    while (data.nodes[n].left >= 0 && !this.model.state.collapsed.has(n)) {
      const { left, right } = data.nodes[n];
      const child = row >= data.nodes[left].first && row < data.nodes[left].last + 1 ? left : right;
      // Nearer to this merge than to the next one.
      const next = data.nodes[child].left < 0 ? this.frame.tree : this.treeX(data.nodes[child].height);
      if (x < (this.treeX(data.nodes[n].height) + next) / 2) break;
      n = child;
    }
    return this.asBlock(n);
  }

  private listen(): void {
    const { canvas } = this;
    const place = (event: MouseEvent): [number, number] => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener(
      "wheel",
      (event) => {
        const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : event.deltaMode === 1 ? 0.06 : 0.0018));
        if (this.isWhole() && factor < 1 && !event.ctrlKey) return;
        event.preventDefault();
        cancelAnimationFrame(this.animation);
        const [x, y] = place(event);
        this.setView(zoomed(this.view, this.frame, this.model.data.size, factor, x - this.frame.left, y - this.frame.top));
      },
      { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => this.down(event, ...place(event)));
    canvas.addEventListener("pointermove", (event) => this.move(event, ...place(event)));
    canvas.addEventListener("pointerup", (event) => this.up(event, ...place(event)));
    canvas.addEventListener("pointercancel", (event) => this.drop(event));
    canvas.addEventListener("pointerleave", () => this.events.hover(null, 0, 0, false));
    canvas.addEventListener("dblclick", (event) => {
      const [x, y] = place(event);
      const found = x < this.frame.tree ? this.at(x, y) : null;
      if (found?.kind === "block") this.events.collapse(found.node);
      else if (x >= this.frame.left && y >= this.frame.top) {
        const factor = event.shiftKey ? 1 / 2.2 : 2.2;
        this.animateTo(zoomed(this.view, this.frame, this.model.data.size, factor, x - this.frame.left, y - this.frame.top));
      }
    });
  }

  private down(event: PointerEvent, x: number, y: number): void {
    if (event.button !== 0) return;
    cancelAnimationFrame(this.animation);
    this.pointers.set(event.pointerId, { x, y });
    if (this.pointers.size === 2) {
      const [a, b] = [...this.pointers.values()];
      const [middleX, middleY] = [(a.x + b.x) / 2 - this.frame.left, (a.y + b.y) / 2 - this.frame.top];
      this.pinch = { distance: Math.hypot(a.x - b.x, a.y - b.y), view: this.view, x: middleX, y: middleY };
      this.pressed = null;
      return;
    }
    this.pressed = { x, y, view: this.view, moved: false, touch: event.pointerType === "touch" };
    if (!(event.pointerType === "touch" && this.isWhole())) capture(this.canvas, event.pointerId);
    if (!this.isWhole()) this.minimapTo(x, y);
  }

  private minimapTo(x: number, y: number): boolean {
    const box = this.minimapBox();
    if (this.isWhole() || x < box.x || y < box.y || x > box.x + box.side || y > box.y + box.side) return false;
    const unit = this.model.data.size / box.side;
    const half = this.frame.side / this.view.scale / 2;
    this.setView({ ...this.view, x: (x - box.x) * unit - half, y: (y - box.y) * unit - half });
    return true;
  }

  private move(event: PointerEvent, x: number, y: number): void {
    const known = this.pointers.get(event.pointerId);
    if (known) Object.assign(known, { x, y });
    if (this.pinch && this.pointers.size === 2) {
      const [a, b] = [...this.pointers.values()];
      const factor = Math.hypot(a.x - b.x, a.y - b.y) / (this.pinch.distance || 1);
      const size = this.model.data.size;
      const view = zoomed(this.pinch.view, this.frame, size, factor, this.pinch.x, this.pinch.y);
      const [dx, dy] = [(a.x + b.x) / 2 - this.frame.left - this.pinch.x, (a.y + b.y) / 2 - this.frame.top - this.pinch.y];
      this.setView({ ...view, x: view.x - dx / view.scale, y: view.y - dy / view.scale });
      return;
    }
    if (this.pressed) {
      const [dx, dy] = [x - this.pressed.x, y - this.pressed.y];
      if (!this.pressed.moved && Math.hypot(dx, dy) < 5) return;
      this.pressed.moved = true;
      if (this.minimapTo(this.pressed.x, this.pressed.y)) {
        this.minimapTo(x, y);
        return;
      }
      const { view } = this.pressed;
      if (!this.isWhole()) this.setView({ ...view, x: view.x - dx / view.scale, y: view.y - dy / view.scale });
      return;
    }
    if (event.pointerType !== "touch") this.events.hover(this.at(x, y), x, y, false);
  }

  private up(event: PointerEvent, x: number, y: number): void {
    const pressed = this.pressed;
    this.drop(event);
    if (!pressed || pressed.moved) return;
    const box = this.minimapBox();
    if (!this.isWhole() && x < box.x + box.side && y < box.y + box.side) return;
    const found = this.at(x, y);
    if (found) this.events.choose(found);
  }

  private drop(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size < 2) this.pinch = null;
    this.pressed = null;
  }
}

function capture(canvas: HTMLCanvasElement, pointer: number): void {
  try {
    canvas.setPointerCapture(pointer);
  } catch {
    // The pointer is gone already.
  }
}
