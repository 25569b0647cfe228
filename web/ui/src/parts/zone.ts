import { ref } from "vue";

/** The time zone that the person has chosen; the device's where it is undefined. */
export const zone = ref<string>();

export function setZone(to: string | null | undefined): void {
  try {
    zone.value = to && new Intl.DateTimeFormat("en", { timeZone: to }) ? to : undefined;
  } catch {
    zone.value = undefined; // a name that this browser does not know
  }
}

export const zoneName = (): string => zone.value ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;

const formats = new Map<string, Intl.DateTimeFormat>();
/** A format for times in the reader's zone. */
export function formatOf(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const all = { ...options, ...(zone.value ? { timeZone: zone.value } : {}) };
  const key = locale + JSON.stringify(all);
  let found = formats.get(key);
  if (!found) formats.set(key, (found = new Intl.DateTimeFormat(locale, all)));
  return found;
}

// A day is asked for with every row; within a quarter of an hour it is the same in all zones.
const quarter = 900_000;
const days = new Map<string, string>();

/** The day of a time in the reader's zone, such as 2026-03-02. */
export function dayOf(at: number): string {
  const key = `${zone.value ?? ""}${Math.floor(at / quarter)}`;
  let day = days.get(key);
  if (day === undefined) {
    const parts = Object.fromEntries(formatOf("en-US", { year: "numeric", month: "2-digit", day: "2-digit", hourCycle: "h23" }).formatToParts(at).map((p) => [p.type, p.value]));
    days.set(key, (day = `${parts["year"]!.padStart(4, "0")}-${parts["month"]}-${parts["day"]}`));
  }
  return day;
}

/** When a day begins in the reader's zone. */
export function startOf(day: string): number {
  const wanted = Date.parse(`${day}T00:00:00Z`);
  const format = formatOf("en-US", { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  let at = wanted;
  // Twice, for the nights on which the clock changes.
  for (let i = 0; i < 2; i++) {
    const p = Object.fromEntries(format.formatToParts(at).map((x) => [x.type, Number(x.value)]));
    at += wanted - Date.UTC(p["year"]!, p["month"]! - 1, p["day"], p["hour"], p["minute"], p["second"]);
  }
  return at;
}
