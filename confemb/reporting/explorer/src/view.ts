/** The canvas's geometry: where classes lie in it, and moving about. */

import type { View } from "./model.ts";

export interface Frame {
  width: number;
  height: number;
  tree: number;
  left: number;
  top: number;
  side: number;
}

/** Lay the canvas out: the tree, row names, and a square for the matrix beneath its column names. */
export function frameFor(width: number, height: number, size: number, longest: number): Frame {
  const narrow = width < 560;
  const tree = narrow ? 34 : Math.min(130, Math.max(70, width * 0.11));
  const names = Math.min(narrow ? 74 : 150, Math.max(46, longest * 7 + 12));
  const top = Math.min(narrow ? 70 : 116, Math.max(50, longest * 5.2 + 18));
  const left = tree + names;
  const right = narrow ? 6 : Math.min(60, longest * 3);
  const side = Math.max(80, Math.floor(Math.min(width - left - right, height - top - 8)));
  return { width, height, tree, left, top, side: size > 0 ? side : 0 };
}

export function fitted(frame: Frame, size: number): View {
  return { x: 0, y: 0, scale: frame.side / size };
}

export function clamped(view: View, frame: Frame, size: number): View {
  const least = frame.side / size;
  const scale = Math.min(Math.max(view.scale, least), Math.max(90, least * 1.5));
  const most = Math.max(0, size - frame.side / scale);
  return { x: Math.min(Math.max(view.x, 0), most), y: Math.min(Math.max(view.y, 0), most), scale };
}

/** Zoom about a point of the matrix, in pixels from its corner. */
export function zoomed(view: View, frame: Frame, size: number, factor: number, px: number, py: number): View {
  const scale = clamped({ ...view, scale: view.scale * factor }, frame, size).scale;
  return clamped(
    { x: view.x + px / view.scale - px / scale, y: view.y + py / view.scale - py / scale, scale },
    frame,
    size,
  );
}

/** The view in which some places (rows from..to, columns from..to) lie in the middle. */
export function showing(rows: [number, number], columns: [number, number], frame: Frame, size: number): View {
  const span = Math.max(rows[1] - rows[0], columns[1] - columns[0]) + 1;
  const scale = Math.min(frame.side / (span * 1.6 + 2), 42);
  const half = frame.side / Math.max(scale, frame.side / size) / 2;
  return clamped(
    { x: (columns[0] + columns[1] + 1) / 2 - half, y: (rows[0] + rows[1] + 1) / 2 - half, scale },
    frame,
    size,
  );
}

/** Whether a place can be seen, and comfortably so. */
export function sees(view: View, frame: Frame, row: number, column: number): boolean {
  const span = frame.side / view.scale;
  return column >= view.x && column + 1 <= view.x + span && row >= view.y && row + 1 <= view.y + span;
}
