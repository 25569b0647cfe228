import { expect, test } from "vitest";
import { plain, unsigned } from "./plain";

test.each([
  ["**No**, the angle is measured from the *normal*", "No, the angle is measured from the normal"],
  ["**No**, it is **cut of", "No, it is cut of"],
  ["My list:\n\n- air 1.00\n- water 1.33", "My list: air 1.00 water 1.33"],
  ["## Title\n> quoted\n1. first", "Title quoted first"],
  ["```python\nprint(1)\n```", "print(1)"],
  ["Call `sin(x)` as in [the book](https://example.org/a)", "Call sin(x) as in the book"],
  ["| Medium | *n* |\n|---|---:|\n| Water | 1.33 |", "Medium · n · · Water · 1.33"],
  // What only looks like it stays.
  ["2 * 3 * 4 and snake_case_name, n_1 and 5 - 3", "2 * 3 * 4 and snake_case_name, n_1 and 5 - 3"],
  ["同意，**我也**量到一樣的角度", "同意，我也量到一樣的角度"],
  // A list has its messages in one line already.
  ["| Medium | *n* | |---|---:| | Water |", "Medium · n · · Water"],
  ["", ""],
])("%s", (text, out) => expect(plain(text)).toBe(out));
test("a part of a piece keeps the space around it", () => {
  expect(unsigned("**No**, the ")).toBe("No, the ");
  expect(unsigned(" > The ")).toBe(" The ");
});
