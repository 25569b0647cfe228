import { expect, it } from "vitest";
import { every, fileOf, sizeOf } from "./backups";

it("the size of a backup is told in the unit that fits", () => {
  expect([0, 999, 1500, 12_345_678, 3_400_000_000].map((n) => sizeOf(n, "en"))).toEqual(["0 byte", "999 byte", "2 kB", "12.3 MB", "3.4 GB"]);
});
it("the time between backups is told in days, hours or minutes", () => {
  expect([900, 3600, 86_400, 604_800].map((n) => every(n, "en"))).toEqual(["15 minutes", "1 hour", "24 hours", "7 days"]);
});
it("a backup's file can be typed", () => {
  expect(fileOf({ place: "/var/lib/coagent/backups/", name: "a.coagent" })).toBe("/var/lib/coagent/backups/a.coagent");
  expect(fileOf({ place: "/my school", name: "a.coagent" })).toBe('"/my school/a.coagent"');
  expect(fileOf({ place: "C:\\coagent", name: "a.coagent" })).toBe("C:\\coagent\\a.coagent");
});
