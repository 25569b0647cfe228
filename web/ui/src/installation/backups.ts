import type { Schemas } from "@/api/client";

export type Backup = Schemas["BackupOut"];

/** Whether a backup is not over. */
export const isLive = (b: Backup): boolean => b.state === "queued" || b.state === "running";

/** Where the file of a backup lies, as a command takes it. */
export const fileOf = (b: Pick<Backup, "place" | "name">): string => {
  const path = `${b.place.replace(/[/\\]$/, "")}${/^[A-Za-z]:\\/.test(b.place) ? "\\" : "/"}${b.name}`;
  return /\s/.test(path) ? `"${path}"` : path;
};

const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** A number of bytes for people. */
export function sizeOf(bytes: number, locale: string): string {
  const power = Math.min(bytes > 0 ? Math.floor(Math.log10(bytes) / 3) : 0, units.length - 1);
  return new Intl.NumberFormat(locale, { style: "unit", unit: units[power] ?? "byte", maximumFractionDigits: power > 1 ? 1 : 0 }).format(bytes / 1000 ** power);
}

/** A time between backups for people: "24 hours", "7 days". */
export function every(seconds: number, locale: string): string {
  const [unit, of] = seconds >= 172_800 && seconds % 86_400 === 0 ? (["day", 86_400] as const) : seconds >= 3600 && seconds % 3600 === 0 ? (["hour", 3600] as const) : (["minute", 60] as const);
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 1 }).format(seconds / of);
}
