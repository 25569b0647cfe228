import { expect, test } from "vitest";
import { best, fit, type Item } from "./match";

const items: Item[] = [
  { id: "1", kind: "room", text: "Group 1", more: "八年二班 理化" },
  { id: "2", kind: "room", text: "全班討論", more: "八年二班 理化" },
  { id: "3", kind: "person", text: "Zoë O'Brien" },
  { id: "4", kind: "command", text: "Go to home" },
];
const ids = (q: string, recent: string[] = []): string[] => best(q, items, recent).map((i) => i.id);

test("a part of a Chinese name is found", () => {
  expect(ids("討論")[0]).toBe("2");
  expect(ids("理化 全班")[0]).toBe("2");
});

test("case and accents do not matter, and letters may be left out", () => {
  expect(ids("zoe")[0]).toBe("3");
  expect(ids("gr1")[0]).toBe("1");
  expect(ids("gth")[0]).toBe("4");
  expect(ids("xyz")).toEqual([]);
});

test("a beginning is better than a part, and a part better than scattered letters", () => {
  expect(fit("home", "Home")).toBeGreaterThan(fit("home", "Homework"));
  expect(fit("home", "Homework")).toBeGreaterThan(fit("home", "Go to home"));
  expect(fit("home", "Go to home")).toBeGreaterThan(fit("home", "How to me"));
});

test("scattered letters are left out beside a whole part", () => {
  expect(ids("home")).toEqual(["4"]);
  expect(best("so", [{ id: "a", kind: "agent", text: "Socrates" }, { id: "b", kind: "command", text: "Devices and access tokens" }], []).map((i) => i.id)).toEqual(["a"]);
});

test("what was opened lately comes first", () => {
  expect(ids("", ["3"])[0]).toBe("3");
});
