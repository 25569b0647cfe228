import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

type Texts = { [key: string]: string | Texts };

function flat(texts: Texts, at = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(texts)) {
    if (typeof value === "string") found.set(at + key, value);
    else for (const [k, v] of flat(value, `${at}${key}.`)) found.set(k, v);
  }
  return found;
}
const named = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map((m) => m[0]).sort();

describe("the languages", () => {
  // As they are written: what is imported is compiled.
  const read = (name: string): Texts => JSON.parse(readFileSync(new URL(`./locales/${name}.json`, import.meta.url), "utf8")) as Texts;
  const [english, chinese] = [flat(read("en")), flat(read("zh-TW"))];
  it("have the same texts", () => expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort()));
  it("name the same values in each", () => {
    for (const [key, text] of english) expect(new Set(named(chinese.get(key) ?? "")), key).toEqual(new Set(named(text)));
  });
  it("leave nothing untranslated", () => {
    // Names and keys are the same everywhere.
    const own = new Set(["app.name", "palette.key", "account.preferences.sendKeys.enter", "account.preferences.sendKeys.ctrl_enter"]);
    const plain = (text: string): string => text.replace(/\{\w+\}/g, "");
    for (const [key, text] of chinese) if (!own.has(key)) expect(/\p{Script=Han}/u.test(text) || !/[A-Za-z]{3}/.test(plain(text)), `${key}: ${text}`).toBe(true);
  });
});
