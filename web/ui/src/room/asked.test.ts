import { expect, test } from "vitest";
import { askedFor, withLinks } from "./asked";

const at = (text: string) => askedFor(text, text.length);

test("a sign asks at the beginning of a word alone", () => {
  expect(at("@")).toEqual({ sign: "@", from: 0, word: "" });
  expect(at("你好，@小")).toEqual({ sign: "@", from: 3, word: "小" });
  expect(at("mail a@b")).toBeUndefined();
  expect(at("@王小明 #實")).toEqual({ sign: "#", from: 5, word: "實" });
  expect(at("@Ada :th")).toEqual({ sign: ":", from: 5, word: "th" });
  expect(at("see #gr")).toEqual({ sign: "#", from: 4, word: "gr" });
});

test("a colon asks after two letters, or one of Chinese", () => {
  expect(at("note: x")).toBeUndefined();
  expect(at(":t")).toBeUndefined();
  expect(at(":th")).toEqual({ sign: ":", from: 0, word: "th" });
  expect(at(":讚")).toEqual({ sign: ":", from: 0, word: "讚" });
  expect(at("at 10:30")).toBeUndefined();
});

test("a slash is a command at the very beginning alone", () => {
  expect(at("/st")).toEqual({ sign: "/", from: 0, word: "st" });
  expect(at("and/or")).toBeUndefined();
  expect(at("a /st")).toBeUndefined();
});

test("chosen rooms become links, the longer name first", () => {
  const rooms = [{ id: "1", name: "Group" }, { id: "2", name: "Group 1" }];
  expect(withLinks("see #Group 1 and #Group", rooms)).toBe("see [#Group 1](/rooms/2) and [#Group](/rooms/1)");
  expect(withLinks("a [b]", [])).toBe("a [b]");
  expect(withLinks("#a[1]", [{ id: "3", name: "a[1]" }])).toBe("[#a\\[1\\]](/rooms/3)");
});
