/** The items behind a choice: pictures, texts or ids with the most probable classes, sorted by confidence. */

import type { Data, ItemSet } from "./data.ts";
import { fill, h, many, percent, whole } from "./dom.ts";

export interface Query {
  title: string;
  /** Which result's predictions choose. */
  by: number;
  wanted(label: number, first: number): boolean;
  /** How many there are in all, by the counts. */
  count: number;
  hardest?: boolean;
}

const PAGE = 24;

const sheets = new WeakMap<Uint8Array, Promise<ImageBitmap>>();

function bitmap(data: Uint8Array, mime: string): Promise<ImageBitmap> {
  let found = sheets.get(data);
  if (!found) sheets.set(data, (found = createImageBitmap(new Blob([data as BlobPart], { type: mime }))));
  return found;
}

function thumbnail(set: ItemSet, item: number, name: string): HTMLElement {
  const thumbs = set.thumbs as NonNullable<ItemSet["thumbs"]>;
  const canvas = h("canvas", { width: thumbs.size, height: thumbs.size, role: "img", "aria-label": name, class: "thumb" });
  const [sheet, at] = [Math.floor(item / thumbs.perSheet), item % thumbs.perSheet];
  const [x, y] = [(at % thumbs.columns) * thumbs.size, Math.floor(at / thumbs.columns) * thumbs.size];
  void bitmap(thumbs.data[sheet], thumbs.mime).then((image) => {
    canvas.getContext("2d")?.drawImage(image, x, y, thumbs.size, thumbs.size, 0, 0, thumbs.size, thumbs.size);
  });
  return canvas;
}

function topProb(set: ItemSet, by: number, item: number): number {
  const top = set.tops[set.by.indexOf(by)];
  return top.probs ? top.probs[item * top.k] : 0;
}

function trueProb(set: ItemSet, by: number, item: number): number {
  const top = set.tops[set.by.indexOf(by)];
  for (let rank = 0; rank < top.k; rank++) {
    if (top.classes[item * top.k + rank] === set.labels[item]) return top.probs ? top.probs[item * top.k + rank] : 1 - rank / top.k;
  }
  return 0;
}

/** The rows of a set's items that a query wants, the most confident first (or the hardest). */
export function found(set: ItemSet, query: Query): number[] {
  const at = set.by.indexOf(query.by);
  if (at < 0) return [];
  const { k, classes } = set.tops[at];
  const rows: number[] = [];
  for (let item = 0; item < set.shown; item++) {
    if (query.wanted(set.labels[item], classes[item * k])) rows.push(item);
  }
  const key = query.hardest
    ? (item: number): number => -trueProb(set, query.by, item)
    : (item: number): number => topProb(set, query.by, item);
  return rows.map((item) => [item, key(item)]).sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([item]) => item);
}

function ranks(data: Data, set: ItemSet, at: number, item: number): HTMLElement {
  const { k, classes, probs } = set.tops[at];
  const list = h("ol", { class: "ranks" });
  for (let rank = 0; rank < k; rank++) {
    const c = classes[item * k + rank];
    const prob = probs ? probs[item * k + rank] / 65535 : null;
    const bar = h("i", { class: "bar" });
    if (prob !== null) bar.style.width = `${prob * 100}%`;
    list.append(
      h(
        "li",
        { class: c === set.labels[item] ? "true" : null },
        bar,
        h("span", { class: "name" }, data.names[c]),
        h("span", { class: "n" }, prob === null ? "" : percent(prob, prob >= 0.9995 || prob < 0.1 ? 1 : 0)),
      ),
    );
  }
  return list;
}

function card(data: Data, set: ItemSet, item: number): HTMLElement {
  const name = `${data.item} ${set.ids[item]}, a ${data.names[set.labels[item]]}`;
  const two = set.by.length === 2;
  const heads = set.by.map((r, at) =>
    h("div", {}, two ? h("p", { class: "by" }, data.results[r].name) : null, ranks(data, set, at, item)),
  );
  return h(
    "li",
    { class: set.thumbs ? "item" : "item wide", "data-id": set.ids[item] },
    set.thumbs ? thumbnail(set, item, name) : null,
    set.texts ? h("p", { class: "text" }, set.texts[item]) : null,
    h("div", { class: two ? "tops two" : "tops" }, ...heads),
    h("p", { class: "id" }, set.ids[item]),
  );
}

/** A section of evidence: heading, how many of how many, items by the page. */
export function evidence(data: Data, query: Query): HTMLElement | null {
  const set = data.sets.find((one) => one.by.includes(query.by));
  if (!set) return null;
  const rows = found(set, query);
  const box = h("section", { class: "evidence" });
  const total = Math.max(query.count, rows.length);
  const list = h("ul", { class: set.thumbs ? "items" : "items texts" });
  const more = h("button", { type: "button", class: "quiet" });
  let shown = 0;
  const next = (): void => {
    for (const item of rows.slice(shown, shown + PAGE)) list.append(card(data, set, item));
    shown = Math.min(rows.length, shown + PAGE);
    more.hidden = shown >= rows.length;
    more.textContent = `Show ${Math.min(PAGE, rows.length - shown)} more`;
  };
  more.addEventListener("click", next);
  const order = query.hardest ? "the true class least probable first" : "the most confident first";
  const probs = set.tops[set.by.indexOf(query.by)].probs;
  fill(
    box,
    h("h3", {}, query.title),
    h(
      "p",
      { class: "note" },
      rows.length === 0
        ? `None of the ${many(total, data.item)} is in this page.`
        : `${rows.length < total ? `${whole(rows.length)} of ${many(total, data.item)}` : many(total, data.item)}${probs ? `, ${order}` : ""}.`,
    ),
    list,
    more,
  );
  next();
  return box;
}
