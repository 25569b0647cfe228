// Ways to sign in beside the password: codes of an app, recovery codes, and providers of identities.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { authenticator } from "./authenticator.mjs";
import { admin, end, enter, person, serve, setUp, signedIn } from "./harness.mjs";
import { provider } from "./identities.mjs";

after(end);

async function typePassword(page, server, { username, password }) {
  await page.goto(`${server.url}/sign-in`);
  await page.getByLabel("User name or e-mail").fill(username);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Sets two-factor sign-in up in the form that is shown; returns the app and the recovery codes. */
async function setUpForm(page, password) {
  await page.getByLabel("Present password").fill(password);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("img", { name: /for a camera/ }).waitFor();
  const app = authenticator(await page.getByLabel("Key for the authenticator app", { exact: true }).innerText());
  await page.getByLabel("Code", { exact: true }).fill(app.wrong());
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByRole("alert").filter({ hasText: "The code is not right" }).waitFor();
  await page.getByLabel("Code", { exact: true }).fill(await app.next());
  await page.getByRole("button", { name: "Switch on" }).click();
  const list = page.getByRole("region", { name: "Recovery codes" });
  await list.waitFor();
  const codes = await list.getByRole("listitem").allInnerTexts();
  assert.equal(codes.length, 10);
  return { app, codes, list };
}

async function keep(list) {
  assert.ok(await list.getByRole("button", { name: "Finish" }).isDisabled(), "who has not kept them goes no further");
  await list.getByLabel("I have kept them").check();
  await list.getByRole("button", { name: "Finish" }).click();
}

test("a person sets two-factor sign-in up, signs in with a code and a recovery code, and removes it", async (t) => {
  const server = await serve(t);
  await setUp(server);
  const other = await signedIn(server, admin.username, admin.password); // a device that is to be signed out
  const page = await person(t, { refused: [400] });
  await enter(page, server, admin);
  await page.goto(`${server.url}/account/security`);
  await page.getByRole("button", { name: "Set up" }).click();
  const { app, codes, list } = await setUpForm(page, admin.password);
  const [file] = await Promise.all([page.waitForEvent("download"), list.getByRole("button", { name: "Download" }).click()]);
  const kept = readFileSync(await file.path(), "utf8");
  for (const code of codes) assert.ok(kept.includes(code), "the file has each code");
  await keep(list);
  await page.getByText(/^On since/).waitFor();
  await page.getByText("10 recovery codes are left.").waitFor();
  assert.equal(await page.getByText(codes[0]).count(), 0, "they are shown once");
  await assert.rejects(other("GET", "/users/me"), /401/);

  await page.getByRole("button", { name: "Sign out", exact: true }).last().click();
  await typePassword(page, server, admin);
  const code = page.getByLabel("Code", { exact: true });
  await code.waitFor();
  assert.equal(await code.getAttribute("autocomplete"), "one-time-code");
  assert.equal(await code.getAttribute("inputmode"), "numeric");
  const wrong = app.wrong();
  await code.fill(wrong);
  await code.press("Enter");
  await page.getByRole("alert").filter({ hasText: "The code is not right" }).waitFor();
  assert.equal(await code.inputValue(), wrong, "what was typed stays");
  const right = await app.next();
  await code.fill(`${right.slice(0, 3)} ${right.slice(3)}`); // as apps copy it
  await code.press("Enter");
  await page.getByRole("heading", { name: `Hello, ${admin.name}` }).waitFor();

  const phone = await person(t, { phone: true, refused: [400] });
  await typePassword(phone, server, admin);
  await phone.getByRole("button", { name: /Use a recovery code/ }).click();
  await phone.getByLabel("Recovery code", { exact: true }).fill(codes[3].toUpperCase().replaceAll("-", " "));
  await phone.getByRole("button", { name: "Sign in", exact: true }).click();
  await phone.getByRole("heading", { name: `Hello, ${admin.name}` }).waitFor();

  // With a used one nobody gets new ones; with the password one does.
  await page.goto(`${server.url}/account/security`);
  await page.getByText("9 recovery codes are left.").waitFor();
  await page.getByRole("button", { name: "New recovery codes" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Use a recovery code" }).click();
  await dialog.getByLabel("Recovery code", { exact: true }).fill(codes[3]);
  await dialog.getByRole("button", { name: "Make new codes" }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByRole("button", { name: "Use the password" }).click();
  await dialog.getByLabel("Present password").fill(admin.password);
  await dialog.getByRole("button", { name: "Make new codes" }).click();
  const fresh = page.getByRole("region", { name: "Recovery codes" });
  await fresh.waitFor();
  const [first] = await fresh.getByRole("listitem").allInnerTexts();
  assert.ok(!codes.includes(first));
  await keep(fresh);

  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await dialog.getByRole("button", { name: "Use a recovery code" }).click();
  await dialog.getByLabel("Recovery code", { exact: true }).fill(first);
  await dialog.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText("Not set up").waitFor();
  const again = await person(t);
  await typePassword(again, server, admin);
  await again.getByRole("heading", { name: `Hello, ${admin.name}` }).waitFor();
});

test("a code that comes too late leads back to the password, kindly", async (t) => {
  const server = await serve(t);
  await setUp(server);
  const page = await person(t, { refused: [400] });
  await enter(page, server, admin);
  await page.goto(`${server.url}/account/security`);
  await page.getByRole("button", { name: "Set up" }).click();
  const { codes, list } = await setUpForm(page, admin.password);
  await keep(list);
  await page.getByText(/^On since/).waitFor();

  const late = await person(t, { refused: [400] });
  await typePassword(late, server, admin);
  await late.getByLabel("Code", { exact: true }).waitFor();
  await late.context().clearCookies({ name: "second_factor" }); // as its time ends
  await late.getByRole("button", { name: /Use a recovery code/ }).click();
  await late.getByLabel("Recovery code", { exact: true }).fill(codes[0]);
  await late.getByRole("button", { name: "Sign in", exact: true }).click();
  await late.getByText(/Sign in again/).waitFor();
  assert.equal(await late.getByLabel("User name or e-mail").inputValue(), admin.username);
  await late.getByLabel("Password", { exact: true }).fill(admin.password);
  await late.getByRole("button", { name: "Sign in", exact: true }).click();
  await late.getByRole("button", { name: /Use a recovery code/ }).click();
  await late.getByLabel("Recovery code", { exact: true }).fill(codes[0]);
  await late.getByRole("button", { name: "Sign in", exact: true }).click();
  await late.getByRole("heading", { name: `Hello, ${admin.name}` }).waitFor();
});

test("whom the server asks for it sets it up before anything else, and an admin resets it", async (t) => {
  const server = await serve(t, { env: { COAGENT_AUTH_TWO_FACTOR: "staff" } });
  const page = await person(t, { refused: [400, 403] });
  // The first account is asked, too.
  await page.goto(server.setupLink);
  await page.getByLabel("Your name").fill(admin.name);
  await page.getByLabel("E-mail or user name").fill(admin.username);
  await page.getByLabel("Password", { exact: true }).fill(admin.password);
  await page.getByRole("button", { name: "Create the account" }).click();
  await page.getByRole("heading", { name: "Set up two-factor sign-in" }).waitFor();
  const { list } = await setUpForm(page, admin.password);
  await keep(list);
  await page.waitForURL("**/welcome/key");

  const api = async (method, path, data) => {
    const answer = await page.request.fetch(`${server.url}/api/v1${path}`, { method, ...(data ? { data } : {}) });
    assert.ok(answer.ok(), `${method} ${path}: ${await answer.text()}`);
    return answer.status() === 204 ? null : answer.json();
  };
  const maria = { username: "maria", password: "a long enough one" };
  const { id } = await api("POST", "/users/", { full_name: "Maria Lehrer", role: "teacher", ...maria });
  const course = await api("POST", "/courses/", { title: "Physics" });
  await api("POST", `/courses/${course.id}/enroll`, { user_id: id, role: "teacher" });

  const hers = await person(t, { phone: true, refused: [400, 403] });
  await hers.goto(`${server.url}/courses/${course.id}`);
  await hers.getByLabel("User name or e-mail").fill(maria.username);
  await hers.getByLabel("Password", { exact: true }).fill(maria.password);
  await hers.getByRole("button", { name: "Sign in", exact: true }).click();
  await hers.getByRole("heading", { name: "Set up two-factor sign-in" }).waitFor();
  await hers.goto(`${server.url}/courses`);
  await hers.getByRole("heading", { name: "Set up two-factor sign-in" }).waitFor();
  const made = await setUpForm(hers, maria.password);
  await keep(made.list);
  await hers.waitForURL("**/courses");
  await hers.getByRole("heading", { level: 1, name: "Courses" }).waitFor();

  await page.goto(`${server.url}/courses/${course.id}/people`);
  const row = page.getByRole("listitem").filter({ hasText: "Maria Lehrer" });
  await row.getByRole("img", { name: "Signs in with two factors" }).waitFor();
  await row.getByRole("button", { name: "More about Maria Lehrer" }).click();
  await page.getByRole("menuitem", { name: "Reset two-factor sign-in" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Reset" }).click();
  await row.getByRole("img", { name: "Signs in with two factors" }).waitFor({ state: "detached" });
  await hers.getByText("Your session has ended").waitFor();
  await hers.getByLabel("User name or e-mail").fill(maria.username);
  await hers.getByLabel("Password", { exact: true }).fill(maria.password);
  await hers.getByRole("button", { name: "Sign in", exact: true }).click();
  await hers.getByRole("heading", { name: "Set up two-factor sign-in" }).waitFor();
});

const ada = { sub: "ada-1", name: "Ada Lovelace", email: "ada@school.example", email_verified: true, sid: "session-1" };

test("somebody new signs in with a provider, signs out there too, and is signed out from there", async (t) => {
  const school = await provider(t, "school", { people: { Ada: ada }, more: { make_accounts: true, trusted_email: true } });
  const server = await serve(t, { env: school.env });
  await setUp(server);
  const page = await person(t);
  const signIn = async () => {
    await page.getByRole("link", { name: "Sign in with School account" }).click();
    await page.getByRole("link", { name: "I am Ada" }).click();
  };
  await page.goto(`${server.url}/courses`);
  await signIn();
  await page.waitForURL("**/courses");
  await page.getByRole("heading", { level: 1, name: "Courses" }).waitFor();
  await page.getByRole("button", { name: "Sign out", exact: true }).last().click();
  await page.getByRole("link", { name: "Sign in with School account" }).waitFor();
  assert.deepEqual(school.signedOut, [ada.sub]);

  await signIn();
  await page.getByRole("heading", { name: "Hello, Ada Lovelace" }).waitFor();
  await school.signOut(server, { sid: ada.sid });
  await page.getByText("Your session has ended").waitFor();
});

test("a sign-in with a provider asks for the code here, and signs out there afterwards", async (t) => {
  const tea = { ...ada, email: admin.username };
  const school = await provider(t, "school", { people: { Tea: tea }, more: { trusted_email: true, second_factor: "ask" } });
  const server = await serve(t, { env: school.env });
  await setUp(server);
  const page = await person(t, { refused: [400] });
  await enter(page, server, admin);
  await page.goto(`${server.url}/account/security`);
  await page.getByRole("button", { name: "Set up" }).click();
  const { codes, list } = await setUpForm(page, admin.password);
  await keep(list);
  await page.getByText(/^On since/).waitFor();

  const other = await person(t);
  await other.goto(`${server.url}/courses`);
  await other.getByRole("link", { name: "Sign in with School account" }).click();
  await other.getByRole("link", { name: "I am Tea" }).click();
  await other.getByRole("button", { name: /Use a recovery code/ }).click();
  await other.getByLabel("Recovery code", { exact: true }).fill(codes[0]);
  await other.getByRole("button", { name: "Sign in", exact: true }).click();
  await other.getByRole("heading", { level: 1, name: "Courses" }).waitFor();
  await other.getByRole("button", { name: "Sign out", exact: true }).last().click();
  await other.getByRole("link", { name: "Sign in with School account" }).waitFor();
  assert.deepEqual(school.signedOut, [ada.sub]);
});
