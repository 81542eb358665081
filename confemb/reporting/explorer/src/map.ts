/** The map: classes as points in the plane, coloured by the blocks of the cut. */

import type { Theme } from "./colour.ts";
import { shortened } from "./dom.ts";
import type { Model, Selection } from "./model.ts";

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

export interface MapEvents {
  hover(selection: Selection | null): void;
  choose(selection: Selection): void;
}

export class ClassMap {
  private context: CanvasRenderingContext2D;
  private asked = false;
  private width = 0;
  private height = 0;
  private bounds: [number, number, number, number];
  private zoom = { factor: 1, x: 0, y: 0 };
  private pressed: { x: number; y: number; zoom: { factor: number; x: number; y: number }; moved: boolean } | null = null;

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly model: Model,
    public theme: Theme,
    private readonly events: MapEvents,
  ) {
    this.context = canvas.getContext("2d") as CanvasRenderingContext2D;
    const { positions, size } = model.data;
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let c = 0; c < size; c++) {
      [x0, x1] = [Math.min(x0, positions[2 * c]), Math.max(x1, positions[2 * c])];
      [y0, y1] = [Math.min(y0, positions[2 * c + 1]), Math.max(y1, positions[2 * c + 1])];
    }
    this.bounds = [x0, y0, x1, y1];
    this.listen();
  }

  resize(): void {
    const box = this.canvas.getBoundingClientRect();
    if (box.width === 0) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    [this.width, this.height] = [box.width, box.height];
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
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

  private place(c: number): [number, number] {
    const [x0, y0, x1, y1] = this.bounds;
    const { positions } = this.model.data;
    const [left, margin] = [this.model.data.size <= 60 ? 46 : 18, 18];
    const scale = Math.min((this.width - 2 * left) / (x1 - x0 || 1), (this.height - 2 * margin) / (y1 - y0 || 1)) * this.zoom.factor;
    const x = this.width / 2 + (positions[2 * c] - (x0 + x1) / 2) * scale + this.zoom.x;
    const y = this.height / 2 - (positions[2 * c + 1] - (y0 + y1) / 2) * scale + this.zoom.y;
    return [x, y];
  }

  private draw(): void {
    const { context, theme, model } = this;
    if (this.width === 0) return;
    const ratio = this.canvas.width / this.width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = theme.card;
    context.fillRect(0, 0, this.width, this.height);
    const { data, state } = model;
    const many = data.size > 60;
    const places = Array.from({ length: data.size }, (_, c) => this.place(c));
    const dimmed = state.selection !== null || state.hover !== null;
    const strong = (c: number): boolean => model.inSelection(c) || model.inSelection(c, state.hover);
    for (let pass = 0; pass < 2; pass++) {
      for (let c = 0; c < data.size; c++) {
        const on = strong(c);
        if (on !== (pass === 1)) continue;
        const [x, y] = places[c];
        context.globalAlpha = dimmed && !on ? 0.35 : 0.95;
        context.fillStyle = theme.groups[model.blockOf[c] % theme.groups.length];
        context.beginPath();
        context.arc(x, y, (many ? 2.6 : 5) + (on ? 1.5 : 0), 0, 2 * Math.PI);
        context.fill();
        if (on) {
          context.strokeStyle = theme.accent;
          context.lineWidth = 2;
          context.stroke();
        }
      }
    }
    context.globalAlpha = 1;
    this.drawNames(places, strong);
  }

  /** Names where they fit: those marked first, then the classes in the middle of their blocks, then the rest. */
  private drawNames(places: [number, number][], strong: (c: number) => boolean): void {
    const { context, theme, model } = this;
    const { data } = model;
    const taken: [number, number, number, number][] = [];
    const ranked = Array.from({ length: data.size }, (_, c) => c);
    const first = new Set(model.blocks.map((node) => data.order[Math.round((data.nodes[node].first + data.nodes[node].last) / 2)]));
    const rank = (c: number): number => (strong(c) ? 0 : first.has(c) ? 1 : 2);
    ranked.sort((a, b) => rank(a) - rank(b));
    context.textBaseline = "middle";
    let marked = 0;
    for (const c of ranked) {
      const on = strong(c) && marked < 24;
      if (taken.length > 90) break;
      context.font = `${on ? 650 : 400} ${on ? 12.5 : 11.5}px ${FONT}`;
      const text = shortened(data.names[c], 22);
      const width = context.measureText(text).width;
      const [x, y] = places[c];
      const right = x + 8 + width < this.width;
      const box: [number, number, number, number] = right ? [x + 7, y - 7, x + 9 + width, y + 7] : [x - 9 - width, y - 7, x - 7, y + 7];
      if (box[0] < 0 || box[1] < 0 || box[3] > this.height || box[2] > this.width) continue;
      if (taken.some((b) => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])) continue;
      if (data.size <= 60 && !on && places.some(([px, py], o) => o !== c && px > box[0] - 4 && px < box[2] && py > box[1] && py < box[3])) continue;
      taken.push(box);
      if (on) marked++;
      context.textAlign = right ? "left" : "right";
      context.lineWidth = 3;
      context.strokeStyle = theme.card;
      context.lineJoin = "round";
      context.strokeText(text, right ? x + 8 : x - 8, y);
      context.fillStyle = on ? theme.accent : theme.ink;
      context.fillText(text, right ? x + 8 : x - 8, y);
    }
  }

  private nearest(x: number, y: number): number | null {
    let [best, least] = [-1, 18];
    for (let c = 0; c < this.model.data.size; c++) {
      const [px, py] = this.place(c);
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [best, least] = [c, distance];
    }
    return best < 0 ? null : best;
  }

  private listen(): void {
    const { canvas } = this;
    const point = (event: MouseEvent): [number, number] => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      const [x, y] = point(event);
      this.pressed = { x, y, zoom: { ...this.zoom }, moved: false };
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = point(event);
      if (this.pressed && event.buttons && this.zoom.factor > 1) {
        this.pressed.moved ||= Math.hypot(x - this.pressed.x, y - this.pressed.y) > 4;
        this.zoom = { ...this.pressed.zoom, x: this.pressed.zoom.x + x - this.pressed.x, y: this.pressed.zoom.y + y - this.pressed.y };
        this.ask();
        return;
      }
      const c = this.nearest(x, y);
      canvas.style.cursor = c === null ? "default" : "pointer";
      if (event.pointerType !== "touch") this.events.hover(c === null ? null : { kind: "class", c });
    });
    canvas.addEventListener("pointerup", (event) => {
      const moved = this.pressed?.moved;
      this.pressed = null;
      const c = moved ? null : this.nearest(...point(event));
      if (c !== null) this.events.choose({ kind: "class", c });
    });
    canvas.addEventListener("pointerleave", () => {
      this.pressed = null;
      this.events.hover(null);
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        const factor = Math.min(Math.max(this.zoom.factor * Math.exp(-event.deltaY * 0.002), 1), 30);
        if (factor === this.zoom.factor) return;
        event.preventDefault();
        const [x, y] = point(event);
        const by = factor / this.zoom.factor;
        const [cx, cy] = [x - this.width / 2, y - this.height / 2];
        this.zoom = factor === 1 ? { factor, x: 0, y: 0 } : { factor, x: cx - (cx - this.zoom.x) * by, y: cy - (cy - this.zoom.y) * by };
        this.ask();
      },
      { passive: false },
    );
  }
}
