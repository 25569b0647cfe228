import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { keyReader, shortcuts, ways, type ShortcutId } from "./shortcuts";

const key = (name: string, more: Partial<KeyboardEvent> = {}): KeyboardEvent => ({ key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more }) as KeyboardEvent;
const source = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), "utf8");

// What the pages do with their own keys, or the browser with a dialog.
const elsewhere: Partial<Record<ShortcutId, [string, RegExp][]>> = {
  close: [["parts/Modal.vue", /showModal\(\)/], ["parts/Menu.vue", /Escape|keydown\.esc/]],
  lines: [["room/Lines.vue", /\bj: all\[/], ["room/Lines.vue", /\bk: all\[/]],
  reply: [["room/LineRow.vue", /event\.key === "r"/]],
  edit: [["room/LineRow.vue", /event\.key === "e"/]],
  editLast: [["room/Composer.vue", /"ArrowUp" && text\.value === ""/]],
  search: [["room/keys.ts", /event\.key === "\/"/]],
  mute: [["room/keys.ts", /event\.key === "m"/]],
  stop: [["room/keys.ts", /event\.key === "Escape"/]],
  save: [["agents/Agent.vue", /key\.toLowerCase\(\) === "s"/]],
};

test("each shortcut that is listed does something", () => {
  for (const s of shortcuts(true)) {
    if (s.where !== "everywhere" || s.id === "close") {
      expect(elsewhere[s.id], s.id).toBeDefined();
      for (const [file, handled] of elsewhere[s.id] ?? []) expect(source(file), `${s.id} in ${file}`).toMatch(handled);
      continue;
    }
    const read = keyReader();
    const keys = s.keys.filter((k) => !/Ctrl|⌘/.test(k));
    const deeds = keys.map((k) => read(key(k.toLowerCase(), { ctrlKey: keys.length < s.keys.length }), false, true));
    expect(deeds.at(-1), s.id).toBeDefined();
  }
});

test("a letter alone, while one types, or too late after g goes nowhere", () => {
  let now = 0;
  const read = keyReader(() => now);
  expect(read(key("h"), false, true)).toBeUndefined();
  read(key("g"), true, true);
  expect(read(key("h"), true, true)).toBeUndefined();
  read(key("g"), false, true);
  now = 2000;
  expect(read(key("h"), false, true)).toBeUndefined();
  read(key("g"), false, true);
  expect(read(key("h"), false, true)).toEqual({ to: ways["h"]!.to });
});

test("students have no shortcut to what they have no page of", () => {
  expect(shortcuts(false).map((s) => s.id)).not.toContain("agents");
  const read = keyReader();
  read(key("g"), false, false);
  expect(read(key("a"), false, false)).toBeUndefined();
});
