// Small ways to make and find elements. Children and text become text nodes,
// so nothing that a person or an agent wrote is ever read as markup.

export const byId = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function button(text, className, onClick) {
  const node = el("button", { type: "button", class: className }, text);
  node.addEventListener("click", onClick);
  return node;
}

// announce reads one line out to people who use a screen reader. The log itself
// is not a live region: a streamed answer would be read again with every piece.
export function announce(text) {
  const region = byId("announcer");
  const line = el("div", {}, text.length > 600 ? `${text.slice(0, 600)}…` : text);
  region.append(line);
  setTimeout(() => line.remove(), 10000);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" });
const fullDate = new Intl.DateTimeFormat("en", { day: "numeric", month: "long", year: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const timeOf = (date) => clock.format(date);
export const exactTimeOf = (date) => exact.format(date);

export function dayOf(date) {
  const start = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
  const days = Math.round((start(new Date()) - start(date)) / 86400000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return days > 1 && days < 180 ? weekday.format(date) : fullDate.format(date);
}
