// What super admins see of the installation: what the program finds when it examines itself.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { admin, end, enter, person, serve, setUp } from "./harness.mjs";

after(end);

test("a super admin reads what the program finds about itself, and asks again", async (t) => {
  // A time zone is missed where the machine has none of its own.
  const server = await serve(t, { env: { TZ: "UTC", COAGENT_TIMEZONE: "" } });
  await setUp(server);
  const page = await person(t);
  await enter(page, server, admin);
  await page.goto(`${server.url}/home`);
  await page.getByRole("link", { name: "Installation" }).click();
  await page.getByRole("heading", { level: 1, name: "Installation" }).waitFor();
  const warnings = page.getByRole("region", { name: "Warnings" });
  await warnings.getByText(/schedules and days of a class elsewhere are hours off/).waitFor();
  await warnings.getByText("What helps:").first().waitFor();
  assert.match(await page.getByRole("main").getByRole("status").innerText(), /\d warnings?\s+Checked now/);
  const inOrder = page.getByText(/^\d+ checks in order$/);
  assert.equal(await page.getByText("The SQLite database answers").isVisible(), false, "what is in order is folded away");
  await inOrder.click();
  await page.getByText("The SQLite database answers").waitFor();

  const asked = page.waitForResponse((r) => new URL(r.url()).pathname.endsWith("/admin/doctor"));
  await page.getByRole("button", { name: "Check again" }).click();
  assert.equal(new URL((await asked).url()).searchParams.get("providers"), "false", "providers are asked by their own button alone");
  const keys = page.waitForResponse((r) => r.url().includes("providers=true"));
  await page.getByRole("button", { name: "Ask the providers" }).click();
  assert.equal((await keys).status(), 200);
});

test("a school in which all is well is told so, in Chinese too", async (t) => {
  const server = await serve(t, { env: { COAGENT_TIMEZONE: "Asia/Taipei" } });
  await setUp(server);
  const page = await person(t, { locale: "zh-TW", phone: true });
  await enter(page, server, admin);
  await page.route("**/api/v1/admin/doctor*", async (route) => {
    const answer = await route.fetch();
    const report = await answer.json();
    // What this machine lacks, such as room on its disk, is not what is looked at.
    const findings = report.findings.filter((f) => f.state === "ok");
    await route.fulfill({ response: answer, json: { ...report, state: "ok", findings } });
  });
  await page.goto(`${server.url}/installation`);
  await page.getByText("一切正常").waitFor();
  await page.getByText(/項檢查正常$/).click();
  await page.getByText(/Asia\/Taipei/).waitFor();
  assert.equal(await page.getByRole("region", { name: "警告" }).count(), 0);
});

test("a teacher is told that the installation is not for them, and asks for nothing", async (t) => {
  const server = await serve(t);
  const api = await setUp(server);
  const maria = { username: "maria", password: "a long enough one" };
  await api("POST", "/users/", { full_name: "Maria Lehrer", role: "teacher", ...maria });
  const page = await person(t);
  await enter(page, server, maria);
  const calls = [];
  page.on("request", (r) => r.url().includes("/api/v1/admin/") && calls.push(r.url()));
  await page.goto(`${server.url}/installation`);
  await page.getByRole("heading", { name: "This page is not for you" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "Installation" }).count(), 0);
  await page.getByRole("main").getByRole("link", { name: "To the start page" }).click();
  await page.getByRole("heading", { name: "Hello, Maria Lehrer" }).waitFor();
  assert.deepEqual(calls, []);
});

test("everything is encrypted anew with a new key, and the page says when the old one can go", async (t) => {
  const [first, second] = [0, 1].map(() => `${randomBytes(32).toString("base64url")}=`);
  const secret = randomBytes(48).toString("base64");
  const env = { COAGENT_AUTH_SECRET_KEY: secret, COAGENT_AUTH_ENCRYPTION_KEYS: first };
  const server = await serve(t, { env });
  const api = await setUp(server);
  await api("POST", "/users/keys", { provider: "openai", alias: "mine", api_key: "sk-of-a-test-0123456789" });
  await server.kill();
  env.COAGENT_AUTH_ENCRYPTION_KEYS = `${second},${first}`;
  await server.start();
  const page = await person(t);
  await enter(page, server, admin);
  await page.goto(`${server.url}/installation/keys`);
  await page.getByText(/^2 of 2 values have an older key$/).waitFor();
  await page.getByRole("button", { name: "Encrypt anew" }).click();
  await page.getByText("The old keys can go").waitFor();
  await page.getByText(/^Last encrypted anew .*: 2 values\.$/).waitFor();
  await page.getByRole("listitem").filter({ hasText: "Model keys of people" }).getByText("1 with the first key").waitFor();
  await server.kill();
  env.COAGENT_AUTH_ENCRYPTION_KEYS = second;
  await server.start();
  await page.reload();
  await page.getByText("Everything is encrypted with the present key").waitFor();
});

test("a backup is made, seen to be whole, and deleted", async (t) => {
  const server = await serve(t);
  await setUp(server);
  const page = await person(t, { phone: true });
  await enter(page, server, admin);
  await page.goto(`${server.url}/installation/backups`);
  await page.getByRole("heading", { name: "No backup yet" }).waitFor();
  await page.getByText("None is made by itself").waitFor();
  await page.getByRole("button", { name: "Make a backup now" }).click();
  const row = page.getByRole("list", { name: "Backups" }).getByRole("listitem");
  await row.getByText(/\d (byte|kB|MB)/).waitFor();
  await row.getByText(new RegExp(admin.name)).waitFor();
  await page.getByText("Check and restore a backup").click();
  const command = await page.getByRole("group", { name: "Check the newest backup" }).innerText();
  assert.match(command, /^coagent verify \S*backups\S+$/);
  await row.getByRole("button", { name: /More about the backup/ }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "No backup yet" }).waitFor();
});
