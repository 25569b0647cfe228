// From the link that the program prints to an agent's first answer, by somebody who has never
// seen the studio: at most twelve clicks and fields.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { end, person, serve } from "./harness.mjs";
import { scripted } from "./model.mjs";

after(end);

/** Clicks and fills as a person does, and counts both. */
function counting(page) {
  let n = 0;
  return {
    click: (name, role = "button") => (n++, page.getByRole(role, { name }).click()),
    fill: (label, text) => (n++, page.getByLabel(label, { exact: true }).fill(text)),
    get count() {
      return n;
    },
  };
}

test("a new teacher has an agent's answer within twelve clicks and fields", async (t) => {
  const model = await scripted(t);
  model.otherwise = "Welcome! What would you like to learn?";
  const server = await serve(t, { env: model.env });
  const page = await person(t, { refused: [404] }); // a course has no code at first
  await page.goto(server.setupLink);
  const by = counting(page);
  await by.fill("Your name", "Ada Lovelace");
  await by.fill("E-mail or user name", "Ada L.");
  await by.fill("Password", "a long enough one");
  assert.doesNotMatch(page.url(), /token/, "the address keeps no token");
  await by.click("Create the account");

  await page.getByRole("heading", { name: "Connect a model" }).waitFor();
  await by.fill("Key", "sk-of-a-test-0123456789");
  await by.click("Test and keep the key");

  await page.getByRole("heading", { name: "Your first course" }).waitFor();
  await page.reload(); // loses nothing
  await by.click("Make the demo course");

  await page.getByRole("heading", { name: "How your class gets in" }).waitFor();
  await page.getByText("start it with --addr 0.0.0.0:8000").waitFor();
  await by.click("Go to the room");

  await page.getByRole("heading", { name: "First steps" }).waitFor();
  await by.fill("Write to First steps", "Good morning!");
  await by.click("Send");
  await page.getByText("Welcome! What would you like to learn?").first().waitFor();
  assert.ok(by.count <= 12, `it took ${by.count} clicks and fields`);
  t.diagnostic(`${by.count} clicks and fields`);
});

test("the first steps fit a phone, and each goes on by touch", async (t) => {
  const model = await scripted(t);
  const server = await serve(t, { env: model.env });
  const page = await person(t, { phone: true, refused: [404] });
  const fits = async (step) => {
    await page.getByRole("heading", { name: step, level: 1 }).waitFor();
    const [wide, inner] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
    assert.ok(wide <= inner && inner === 390, `${step}: ${wide} of ${inner} pixels`);
    const small = await page.locator("main, body").first().locator("button:visible, input:visible, select:visible, a.btn:visible").evaluateAll((all) => all.filter((e) => e.getBoundingClientRect().height < 43.5 && e.type !== "checkbox").map((e) => e.outerHTML.slice(0, 120)));
    assert.deepEqual(small, [], `${step}: too small for a finger`);
  };
  await page.goto(server.setupLink);
  await page.getByLabel("Your name", { exact: true }).fill("Ada Lovelace-Wolfeschlegelsteinhausen 拜倫");
  await page.getByLabel("E-mail or user name", { exact: true }).fill("ada@school.example");
  await page.getByLabel("Password", { exact: true }).fill("a long enough one");
  await fits(/./);
  await page.getByRole("button", { name: "Create the account" }).tap();
  await fits("Connect a model");
  await page.getByLabel("Key", { exact: true }).fill("sk-of-a-test-0123456789");
  await page.getByRole("button", { name: "Test and keep the key" }).tap();
  await fits("Your first course");
  await page.getByRole("button", { name: "Make the demo course" }).tap();
  await fits("How your class gets in");
  await page.getByRole("button", { name: "Go to the room" }).tap();
  await page.getByLabel("Write to First steps").waitFor();
  const [wide, inner] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
  assert.ok(wide <= inner, `the room: ${wide} of ${inner} pixels`);
});
