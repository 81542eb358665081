/** Colour scales. Their lightness rises or falls all along, so that every colour blindness and grey print keep them. */

export const SEQUENTIAL_LIGHT = ["#f1f4f7", "#cfdfec", "#9cc0dc", "#5e97c4", "#2f6ea3", "#12355b"];
export const SEQUENTIAL_DARK = ["#1b222a", "#1f3b55", "#2a5c86", "#4a88b8", "#8bbbe0", "#e3f1fd"];
/** Blue, near-white, orange: the report's own. */
export const DIVERGING_LIGHT = ["#12355b", "#2f6ea3", "#8fb8d9", "#f5f3ee", "#f3b46b", "#d4701c", "#7f2f08"];
export const DIVERGING_DARK = ["#b9dcf8", "#5d9fd4", "#2b5379", "#20262d", "#7d4a17", "#d98434", "#fbd9ae"];
/** Paul Tol's "muted" scheme, for blocks on the map. */
export const GROUPS = ["#117733", "#aa4499", "#332288", "#999933", "#cc6677", "#44aa99", "#882255", "#88ccee", "#ddcc77"];
export const GROUPS_DARK = ["#4fb36f", "#d88acb", "#8f82e0", "#c9c95a", "#ea9aa8", "#6fd3c2", "#c9699b", "#a5dcf7", "#ecdf9c"];

export type Rgb = [number, number, number];

function parse(hex: string): Rgb {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** 256 steps of a scale, three numbers each. */
export function ramp(stops: string[]): Uint8ClampedArray {
  const colours = stops.map(parse);
  const out = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (colours.length - 1);
    const low = Math.min(Math.floor(at), colours.length - 2);
    for (let c = 0; c < 3; c++) {
      out[3 * i + c] = colours[low][c] + (colours[low + 1][c] - colours[low][c]) * (at - low);
    }
  }
  return out;
}

export function at(scale: Uint8ClampedArray, share: number): Rgb {
  const i = 3 * Math.round(Math.min(Math.max(share, 0), 1) * 255);
  return [scale[i], scale[i + 1], scale[i + 2]];
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r},${g},${b})`;
}

/** Ink that can be read on a colour. */
export function inkOn([r, g, b]: Rgb): string {
  const linear = (v: number): number => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  return light > 0.19 ? "#1c2530" : "#ffffff";
}

export interface Theme {
  dark: boolean;
  paper: string;
  card: string;
  ink: string;
  muted: string;
  line: string;
  accent: string;
  blank: string;
  sequential: Uint8ClampedArray;
  diverging: Uint8ClampedArray;
  groups: string[];
}

export function theme(dark: boolean): Theme {
  return dark
    ? {
        dark,
        paper: "#12161b",
        card: "#1a2027",
        ink: "#e8ebee",
        muted: "#9aa5b1",
        line: "#2c343d",
        accent: "#f3b46b",
        blank: "#171c22",
        sequential: ramp(SEQUENTIAL_DARK),
        diverging: ramp(DIVERGING_DARK),
        groups: GROUPS_DARK,
      }
    : {
        dark,
        paper: "#fbfaf8",
        card: "#ffffff",
        ink: "#1c2530",
        muted: "#5c6773",
        line: "#e2e5e9",
        accent: "#b4560f",
        blank: "#f7f7f5",
        sequential: ramp(SEQUENTIAL_LIGHT),
        diverging: ramp(DIVERGING_LIGHT),
        groups: GROUPS,
      };
}
