import { expect, test } from "vitest";
import { isWorth } from "./alerts";

const at = (lastSeq: number, unread: number, mentions = 0) => ({ lastSeq, unread, mentions });

test("the room's level wins over the person's", () => {
  expect(isWorth(at(1, 0), at(2, 1), null, "all")).toBe(true);
  expect(isWorth(at(1, 0), at(2, 1), "none", "all")).toBe(false);
  expect(isWorth(at(1, 0), at(2, 1), "all", "none")).toBe(true);
});

test("with mentions alone, only a mention tells", () => {
  expect(isWorth(at(1, 0), at(2, 1), null, "mentions")).toBe(false);
  expect(isWorth(at(1, 0), at(2, 1, 1), null, "mentions")).toBe(true);
});

test("what one says oneself, or reads elsewhere, tells nothing", () => {
  expect(isWorth(at(1, 0), at(2, 0), null, "all")).toBe(false);
  expect(isWorth(at(2, 3), at(2, 0), null, "all")).toBe(false);
});

test("a count that stands for more still tells of the next", () => {
  expect(isWorth(at(1, 100), at(2, 100), null, "all")).toBe(true);
});
