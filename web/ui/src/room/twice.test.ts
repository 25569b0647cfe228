import { expect, test } from "vitest";
import { twice } from "./twice";

test("Escape stops an answer when it is pressed twice, and not with each press after that", () => {
  const is = twice(600);
  expect([0, 500, 900, 2000, 2700, 3000].map(is)).toEqual([false, true, false, false, false, true]);
});
