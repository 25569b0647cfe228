import { describe, expect, it } from "vitest";
import { hueOf, initials } from "./initials";

describe("initials", () => {
  it.each([
    ["Ada Byron", "AB"],
    ["ada.byron@school.example", "AE"],
    ["王小明", "小明"],
    ["歐陽 娜娜", "娜娜"],
    ["Maria del Carmen Ruiz", "MR"],
    ["Zoë", "Z"],
    ["👩🏽‍🚀", "?"],
    ["", "?"],
    ["(Bob) Builder", "BB"],
    ["Li 李", "李"],
  ])("of %s are %s", (name, want) => expect(initials(name)).toBe(want));
});

describe("hueOf", () => {
  it("is one of 360 and stays", () => {
    const hues = new Set(Array.from({ length: 500 }, (_, i) => hueOf(`person ${i}`)));
    expect(hues.size).toBeGreaterThan(200);
    expect(Math.min(...hues)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...hues)).toBeLessThan(360);
    expect(hueOf("a")).toBe(hueOf("a"));
  });
});
