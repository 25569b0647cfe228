// What can be measured of whether everybody can use the studio: axe on every page that make shots
// looks at, in both themes; the size of what a finger has to hit; where the focus goes and that
// it can be seen.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { end, enter, person, serve } from "./harness.mjs";
import { scripted } from "./model.mjs";
import { school as begun } from "./seed.mjs";
import { pages } from "./shots/pages.mjs";
import { school } from "./shots/school.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ends = [];
const world = {};
before(async () => {
  const t = { after: (f) => ends.unshift(f) };
  const model = await scripted(t);
  world.server = await serve(t, { env: { ...model.env, COAGENT_EXTERNAL_ALLOW_PRIVATE: "true" } });
  const artist = await person({ after: () => undefined, name: "pictures" });
  Object.assign(world, await school(world.server, (await begun(world.server)).person, model, artist.context().browser(), 40));
  await artist.context().close();
});
after(async () => {
  await end();
  for (const f of ends) await f();
});

/** Every page that is looked at, once, as its person. */
async function* visited(t, options, size) {
  const people = new Map();
  for (const shot of pages(world)) {
    // What never comes is looked at in pictures alone.
    if (shot.locale || shot.busy || (shot.sizes && !shot.sizes.includes(size))) continue;
    const who = shot.as?.username ?? "";
    if (!people.has(who)) {
      const page = await person(t, { ...options, refused: [400, 403, 404] });
      if (shot.as) await enter(page, world.server, shot.as);
      people.set(who, page);
    }
    const page = people.get(who);
    await page.unrouteAll({ behavior: "ignoreErrors" }); // what an earlier state altered
    if (shot.before) await shot.before(page, world);
    await page.goto(world.server.url + shot.path);
    await page.locator(`${shot.wait ?? "h1, h2"}`).locator("visible=true").first().waitFor();
    if (shot.open) await shot.open(page, size, world);
    await page.waitForFunction(() => !document.querySelector("[aria-busy=true], .animate-pulse.bg-base-300"));
    yield [page, `${shot.page} ${shot.state ?? ""}`.trim(), shot];
  }
}

test("axe finds nothing serious on any page, in both themes", async (t) => {
  const found = [];
  // So high that the list shows every kind of row at once.
  for await (const [page, name] of visited(t, { viewport: { width: 1600, height: 4000 } }, 1600)) {
    for (const theme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      const violations = await page.evaluate(`${axe};axe.run(document, ${JSON.stringify(theme === "light" ? {} : { runOnly: ["color-contrast"] })}).then((r) => r.violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + " " + n.target) })))`);
      for (const v of violations) if (v.impact === "serious" || v.impact === "critical") found.push(`${name}, ${theme}: ${v.id} (${v.impact})\n    ${v.nodes.join("\n    ")}`);
    }
  }
  assert.deepEqual(found, []);
});

test("on a phone everything that is tapped is 44 pixels high and wide", async (t) => {
  const small = new Set();
  for await (const [page, name] of visited(t, { phone: true }, 390)) for (const one of await page.evaluate(targets)) small.add(`${name}: ${one}`);
  assert.deepEqual([...small], []);
});

// A link within a text is as high as its line, as WCAG allows; so is the time of a message, whose
// link is in its menu too. A label is part of its box, and a link may reach over its row.
function targets() {
  const found = [];
  for (const e of document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=menuitem], [role=option]")) {
    if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || e.matches(":disabled, .sr-only, [type=hidden], [type=file], a:has(> time), .md a, p a")) continue;
    const around = [e, ...(e.labels ?? []), e.matches("input, select, textarea") ? e.closest("label, .input") : null].filter(Boolean);
    const boxes = around.map((b) => b.getBoundingClientRect());
    const over = getComputedStyle(e, "::after");
    if (over.content !== "none" && over.position === "absolute") boxes.push({ width: parseFloat(over.width), height: parseFloat(over.height) });
    const [w, h] = [Math.max(...boxes.map((b) => b.width)), Math.max(...boxes.map((b) => b.height))];
    if (w <= 1 || h <= 1 || (w > 43.5 && h > 43.5)) continue;
    e.scrollIntoView({ block: "center", behavior: "instant" });
    const box = e.getBoundingClientRect();
    const hits = [[0, -21], [0, 21], w > 43.5 ? [0, 0] : [-21, 0], w > 43.5 ? [0, 0] : [21, 0]].every(([x, y]) => {
      const hit = document.elementFromPoint(box.x + box.width / 2 + x, box.y + box.height / 2 + y);
      return around.some((a) => a.contains(hit));
    });
    if (!hits) found.push(`${Math.round(w)}x${Math.round(h)} ${e.outerHTML.replace(/data-v-\w+=""/, "").slice(0, 60)} ${(e.getAttribute("aria-label") ?? e.textContent).trim().slice(0, 40)}`);
  }
  return found;
}

test("Tab goes through a page in its order, and the focus is seen", async (t) => {
  const wrong = [];
  for await (const [page, name, shot] of visited(t, { viewport: { width: 1280, height: 900 } }, 1600)) {
    if (shot.state || shot.open) continue; // a state has the order of its page
    await page.evaluate(() => document.activeElement?.blur());
    let last;
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        const s = getComputedStyle(e);
        const shown = [e, e.closest(".input, .textarea, .select, label") ?? e].some((x) => getComputedStyle(x).outlineStyle !== "none" && parseFloat(getComputedStyle(x).outlineWidth) >= 2);
        const all = [...document.querySelectorAll("*")];
        return e === document.body ? null : { n: all.indexOf(e), shown: shown || s.boxShadow !== "none", inView: e.getBoundingClientRect().bottom > 0, what: e.outerHTML.slice(0, 90) };
      });
      if (!at) break;
      if (!at.shown) wrong.push(`${name}: no ring on ${at.what}`);
      if (!at.inView) wrong.push(`${name}: out of view ${at.what}`);
      if (last !== undefined && at.n < last) break; // around
      last = at.n;
    }
  }
  assert.deepEqual([...new Set(wrong)], []);
});
