import { expect, test } from "vitest";
import { served, tokenIn, within } from "./place";

test("a token is read from the fragment or the query", () => {
  expect(tokenIn(undefined, "#token=a-b_c")).toBe("a-b_c");
  expect(tokenIn("a-b_c", "")).toBe("a-b_c");
  expect(tokenIn(["a", "b"], "")).toBe("");
  expect(tokenIn(undefined, "#/rooms/1")).toBe("");
});

test("a path is read without the one at which its host has the installation", () => {
  expect(within("", "/studio/rooms")).toBe("/studio/rooms");
  expect(within("/school", "/school/rooms")).toBe("/rooms");
  expect(within("/school", "/school")).toBe("");
  expect(within("/school", "/schools/rooms")).toBe("/schools/rooms");
});

test("addresses of others stay as they are", () => {
  expect(served("https://other.example/a.png")).toBe("https://other.example/a.png");
  expect(served("//other.example/a.png")).toBe("//other.example/a.png");
  expect(served(null)).toBe(null);
  expect(served("/static/a.png")).toBe("/static/a.png");
});
