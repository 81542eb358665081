/** What is seen, as PNG, SVG or CSV. */

import { at, css, inkOn } from "./colour.ts";
import { cosineOf, countOf } from "./data.ts";
import type { Matrix } from "./matrix.ts";
import { share } from "./model.ts";

/** An SVG of more cells than this is slow wherever it is opened. */
const MOST_SVG_CELLS = 40000;

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export function savePng(matrix: Matrix): void {
  matrix.canvas.toBlob((blob) => blob && save(blob, "confusions.png"), "image/png");
}

/** First and last places in view. */
export function inView(matrix: Matrix): { rows: [number, number]; columns: [number, number] } {
  const { view, frame, model } = matrix;
  const span = frame.side / view.scale;
  const most = model.data.size - 1;
  const range = (from: number): [number, number] => [Math.floor(from + 1e-6), Math.min(most, Math.ceil(from + span - 1e-6) - 1)];
  return { rows: range(view.y), columns: range(view.x) };
}

/** A cell for CSV: quoted where needed, and never a formula in a spreadsheet. */
export function csvCell(text: string): string {
  const plain = /^'*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(plain) ? `"${plain.replace(/"/g, '""')}"` : plain;
}

export function csvOf(matrix: Matrix): string {
  const { data, state } = matrix.model;
  const { rows, columns } = inView(matrix);
  const prefix = data.results.length === 2 ? ["a_", "b_"] : [""];
  const head = ["true", "predicted", ...prefix.flatMap((one) => ["count", "row_share", "column_share", "cosine"].map((name) => one + name))];
  if (data.tested) head.push("q_pair");
  const lines = [head.join(",")];
  const number = (value: number | null): string => (value === null || Number.isNaN(value) ? "" : String(Number(value.toFixed(6))));
  const wanted = state.strongest > 0 ? new Set(matrix.model.ranked(state.strongest).map(({ t, p }) => t * data.size + p)) : null;
  for (let i = rows[0]; i <= rows[1]; i++) {
    for (let j = columns[0]; j <= columns[1]; j++) {
      const [t, p] = [data.order[i], data.order[j]];
      if (state.hideDiagonal && t === p) continue;
      if (wanted && !wanted.has(t * data.size + p)) continue;
      const counts = data.results.map((result) => countOf(result, t, p));
      // Of many classes, only cells with something in them.
      if (data.size > 60 && counts.every((n) => n === 0)) continue;
      const cells = data.results.flatMap((result, r) => [
        number(counts[r]),
        number(result.support[t] > 0 ? counts[r] / result.support[t] : null),
        number(result.predicted[p] > 0 ? counts[r] / result.predicted[p] : null),
        number(cosineOf(data, r, t, p)),
      ]);
      if (data.tested) cells.push(number(matrix.model.qOf(t, p)));
      lines.push([csvCell(data.names[t]), csvCell(data.names[p]), ...cells].join(","));
    }
  }
  return lines.join("\n") + "\n";
}

export function saveCsv(matrix: Matrix): void {
  save(new Blob(["\ufeff", csvOf(matrix)], { type: "text/csv" }), "confusions.csv");
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** An SVG of the cells in view with their names; null where they are too many. */
export function svgOf(matrix: Matrix): string | null {
  const { model, theme } = matrix;
  const { data, state } = model;
  const { rows, columns } = inView(matrix);
  const [height, width] = [rows[1] - rows[0] + 1, columns[1] - columns[0] + 1];
  if (height * width > MOST_SVG_CELLS) return null;
  const cell = Math.max(8, Math.min(48, Math.floor(720 / Math.max(height, width))));
  const longest = Math.min(30, Math.max(...data.names.map((name) => name.length)));
  const [left, top] = [longest * 6.6 + 16, longest * 5 + 24];
  const wanted = state.strongest > 0 ? new Set(model.ranked(state.strongest).map(({ t, p }) => t * data.size + p)) : null;
  const scale = model.scale();
  const out: string[] = [];
  const size = Math.min(12, cell * 0.8);
  for (let i = 0; i < height; i++) {
    const t = data.order[rows[0] + i];
    out.push(`<text x="${left - 6}" y="${top + (i + 0.5) * cell}" text-anchor="end" dominant-baseline="middle">${escaped(data.names[t])}</text>`);
    for (let j = 0; j < width; j++) {
      const p = data.order[columns[0] + j];
      if (t === p && state.hideDiagonal) continue;
      if (wanted && t !== p && !wanted.has(t * data.size + p)) continue;
      const value = model.value(t, p);
      if (Number.isNaN(value) || (value === 0 && !scale.diverging)) continue;
      const rgb = at(scale.diverging ? theme.diverging : theme.sequential, share(scale, value));
      out.push(`<rect x="${left + j * cell}" y="${top + i * cell}" width="${cell - 1}" height="${cell - 1}" fill="${css(rgb)}"/>`);
      if (cell >= 30) {
        out.push(
          `<text x="${left + (j + 0.5) * cell}" y="${top + (i + 0.5) * cell}" text-anchor="middle" dominant-baseline="middle" fill="${inkOn(rgb)}">${escaped(matrix.numberIn(t, p))}</text>`,
        );
      }
    }
  }
  for (let j = 0; j < width; j++) {
    const name = escaped(data.names[data.order[columns[0] + j]]);
    out.push(`<text transform="translate(${left + (j + 0.5) * cell} ${top - 6}) rotate(-45)">${name}</text>`);
  }
  const [w, h] = [left + width * cell + longest * 4, top + height * cell + 10];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" font-family="system-ui, sans-serif" font-size="${size}" fill="${theme.ink}">` +
    `<title>${escaped(data.title)}</title><rect width="100%" height="100%" fill="${theme.paper}"/>${out.join("")}</svg>`
  );
}

export function saveSvg(matrix: Matrix): boolean {
  const text = svgOf(matrix);
  if (text) save(new Blob([text], { type: "image/svg+xml" }), "confusions.svg");
  return text !== null;
}
