import { expect, test } from "vitest";
import { isEnough, piecesOf, withFilter } from "./query";

test("a search begins with two letters, or with one of Chinese", () => {
  expect(isEnough("h")).toBe(false);
  expect(isEnough(" h ")).toBe(false);
  expect(isEnough("he")).toBe(true);
  expect(isEnough("光")).toBe(true);
  expect(isEnough("-")).toBe(false);
});

test("a filter alone is a search as soon as it has a value", () => {
  expect(isEnough("from:")).toBe(false);
  expect(isEnough("from:a")).toBe(true);
  expect(isEnough("has:file")).toBe(true);
  expect(isEnough("heat from:")).toBe(false);
});

test("an excerpt is cut at its marks", () => {
  expect(piecesOf("the heat engine", [{ from: 4, to: 8 }])).toEqual([
    { text: "the ", isMarked: false },
    { text: "heat", isMarked: true },
    { text: " engine", isMarked: false },
  ]);
  expect(piecesOf("abc", [{ from: 1, to: 9 }])).toEqual([{ text: "a", isMarked: false }, { text: "bc", isMarked: true }]);
  expect(piecesOf("abc", [])).toEqual([{ text: "abc", isMarked: false }]);
});

test("a filter is there once", () => {
  expect(withFilter("heat", "has:file")).toBe("heat has:file");
  expect(withFilter("heat has:file", "has:file")).toBe("heat has:file");
  expect(withFilter("", "from:")).toBe("from:");
});
