import { expect, test } from "vitest";
import { tokenIn } from "./place";

test("a token is read from the fragment or the query", () => {
  expect(tokenIn(undefined, "#token=a-b_c")).toBe("a-b_c");
  expect(tokenIn("a-b_c", "")).toBe("a-b_c");
  expect(tokenIn(["a", "b"], "")).toBe("");
  expect(tokenIn(undefined, "#/rooms/1")).toBe("");
});
