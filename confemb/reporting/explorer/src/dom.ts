/** Making elements: text goes in as text only, nothing is parsed as HTML. */

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  put(element, ...children);
  return element;
}

export function put(element: Element, ...children: Child[]): void {
  for (const child of children) if (child) element.append(child);
}

export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  put(element, ...children);
}

export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element ${id}`);
  return element as T;
}

const grouped = new Intl.NumberFormat("en");

/** A number as a person writes it: thousands apart, at most one decimal where it is not whole. */
export function whole(value: number): string {
  return Number.isInteger(value) ? grouped.format(value) : grouped.format(Math.round(value * 10) / 10);
}

export function percent(share: number, digits = 1): string {
  const value = share * 100;
  if (value > 0 && value < 0.05 && digits === 1) return "< 0.1 %";
  return `${value.toFixed(digits).replace("-", "−")} %`;
}

export function signedPercent(share: number): string {
  const text = Math.abs(share * 100).toFixed(1);
  return `${share > 0 ? "+" : share < 0 ? "−" : "±"}${text} %`;
}

export function decimal(value: number, digits = 2): string {
  return value.toFixed(digits).replace(/^-/, "−");
}

/** A count of things: "1 picture", "20 pictures". */
export function many(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
}

export function shortened(name: string, longest: number): string {
  const line = name.replace(/\s+/g, " ");
  return line.length <= longest ? line : `${line.slice(0, Math.max(1, longest - 1)).trimEnd()}…`;
}
