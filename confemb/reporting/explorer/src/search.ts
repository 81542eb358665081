/** The search field: class names that hold what is typed, chosen with the arrow keys. */

import type { Data } from "./data.ts";
import { byId, fill, h } from "./dom.ts";

const LISTED = 10;

/** Classes whose names begin with the text, then those that hold it. */
export function matches(data: Data, text: string): number[] {
  const wanted = text.trim().toLocaleLowerCase();
  if (!wanted) return [];
  const starts: number[] = [];
  const holds: number[] = [];
  data.names.forEach((name, c) => {
    const members = data.members?.[c] ?? [];
    const lower = name.toLocaleLowerCase();
    if (lower.startsWith(wanted)) starts.push(c);
    else if (lower.includes(wanted) || members.some((one) => one.toLocaleLowerCase().includes(wanted))) holds.push(c);
  });
  return [...starts, ...holds];
}

export function searchField(data: Data, choose: (c: number) => void, hover: (c: number | null) => void): void {
  const input = byId<HTMLInputElement>("search");
  const list = byId<HTMLUListElement>("found");
  let rows: number[] = [];
  let at = -1;
  const close = (): void => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    hover(null);
  };
  const mark = (to: number): void => {
    at = to;
    [...list.children].forEach((one, i) => one.setAttribute("aria-selected", String(i === at)));
    if (at >= 0 && at < rows.length) {
      input.setAttribute("aria-activedescendant", `found${at}`);
      hover(rows[at]);
    }
  };
  const pick = (c: number): void => {
    input.value = "";
    close();
    input.blur();
    choose(c);
  };
  input.addEventListener("input", () => {
    const all = matches(data, input.value);
    rows = all.slice(0, LISTED);
    fill(
      list,
      ...rows.map((c, i) => h("li", { role: "option", id: `found${i}`, onpointerdown: (event) => (event.preventDefault(), pick(c)) }, data.names[c])),
      all.length > LISTED ? h("li", { class: "note", role: "presentation" }, `and ${all.length - LISTED} more`) : null,
      input.value.trim() && all.length === 0 ? h("li", { class: "note", role: "presentation" }, "no class has such a name") : null,
    );
    list.hidden = !input.value.trim();
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark(rows.length ? 0 : -1);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (rows.length) mark((at + step + rows.length) % rows.length);
    } else if (event.key === "Enter" && at >= 0 && rows[at] !== undefined) {
      event.preventDefault();
      pick(rows[at]);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      input.value = "";
      close();
      input.blur();
    }
  });
  input.addEventListener("blur", close);
}
