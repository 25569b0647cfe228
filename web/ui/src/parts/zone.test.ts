import { afterEach, expect, test } from "vitest";
import { dayOf, formatOf, setZone, startOf } from "./zone";

afterEach(() => setZone(undefined));

test("a day is that of the chosen zone, wherever the device is", () => {
  const at = Date.parse("2026-03-02T23:30:00Z");
  setZone("Asia/Taipei");
  expect(dayOf(at)).toBe("2026-03-03");
  setZone("America/New_York");
  expect(dayOf(at)).toBe("2026-03-02");
});

test("a day begins at midnight of the zone, also on the nights of a change of the clock", () => {
  setZone("Asia/Taipei");
  expect(new Date(startOf("2026-03-02")).toISOString()).toBe("2026-03-01T16:00:00.000Z");
  setZone("Europe/Berlin");
  expect(new Date(startOf("2026-03-29")).toISOString()).toBe("2026-03-28T23:00:00.000Z");
  expect(new Date(startOf("2026-03-30")).toISOString()).toBe("2026-03-29T22:00:00.000Z");
  for (const day of ["2026-01-01", "2026-10-25", "2026-10-26"]) expect(dayOf(startOf(day))).toBe(day);
});

test("a zone that the browser does not know is the device's", () => {
  setZone("Mars/Olympus");
  expect(() => formatOf("en", { hour: "numeric" }).format(0)).not.toThrow();
});
