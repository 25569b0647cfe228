import { describe, expect, it } from "vitest";
import { ago } from "./time";

const now = new Date(2026, 10, 30, 15, 0);
const before = (minutes: number): Date => new Date(now.getTime() - minutes * 60_000);

describe("ago", () => {
  it.each([
    [before(0.2), "now"],
    [before(12), "12 min. ago"],
    [new Date(now.getTime() + 90_000), "now"],
    [before(125), "12:55 PM"],
    [before(60 * 24), "Nov 29"],
    [new Date(2025, 0, 5), "Jan 5, 2025"],
  ])("%s", (at, want) => expect(ago(at, now, "en")).toBe(want));
  it("speaks Chinese", () => expect(ago(before(12), now, "zh-TW")).toBe("12 分鐘前"));
});
