import assert from "node:assert/strict";
import { after, test } from "node:test";
import { admin, end, person, serve, setUp } from "./harness.mjs";

after(end);

test("a student without an account joins by a code, on a phone, and is known the next time", async (t) => {
  const server = await serve(t);
  const teacher = await setUp(server);
  const course = await teacher("POST", "/courses/", { title: "Physics" });
  await teacher("POST", "/rooms/", { course_id: course.id, name: "Group A" });
  const { code } = await teacher("PUT", `/courses/${course.id}/join-code`);

  const page = await person(t, { phone: true, refused: [403, 404, 422] });
  await page.goto(`${server.url}/rooms/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90`);
  await page.getByRole("link", { name: "Join a course with a code" }).click();
  await page.getByLabel("Code").fill("wrong1");
  await page.getByLabel("Your name").fill("Ada Byron 拜倫");
  await page.getByLabel("A password of your own").fill("short");
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("alert").first().waitFor();
  await page.getByLabel("A password of your own").fill("a long enough one");
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("alert").filter({ hasText: /code/i }).waitFor();
  await page.getByLabel("Code").fill(code.toLowerCase());
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByText("Next time, sign in").waitFor();
  const username = await page.getByRole("status").locator("strong").innerText();
  await page.getByRole("main").getByRole("link", { name: /Group A/ }).waitFor();

  const again = await person(t);
  await again.goto(`${server.url}/sign-in`);
  await again.getByLabel("User name or e-mail").fill(username);
  await again.getByLabel("Password", { exact: true }).fill("a long enough one");
  await again.getByRole("button", { name: "Sign in" }).click();
  await again.getByRole("heading", { name: "Hello, Ada Byron 拜倫" }).waitFor();
  const members = await teacher("GET", `/courses/${course.id}/members`);
  assert.equal(members.filter((m) => m.full_name === "Ada Byron 拜倫").length, 1);
});

test("an address that is opened signed out is reached after the sign-in, in Chinese too", async (t) => {
  const server = await serve(t);
  await setUp(server);
  const page = await person(t, { locale: "zh-TW", refused: [400] });
  await page.goto(`${server.url}/courses/new`);
  await page.getByText("登入後就會前往您開啟的頁面").waitFor();
  await page.getByLabel("使用者名稱或電子郵件").fill("teacher@school.example");
  await page.getByLabel("密碼", { exact: true }).fill("wrong");
  await page.getByRole("button", { name: "登入" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("密碼", { exact: true }).fill("correct horse battery");
  await page.getByRole("button", { name: "登入" }).click();
  await page.waitForURL("**/courses/new");
});

test("the tabs of a browser have one person: who signs in or out in one has done so in all", async (t) => {
  const server = await serve(t);
  const teacher = await setUp(server);
  await teacher("POST", "/users/", { full_name: "Sam Pupil", username: "sam", password: "a long enough one", role: "student" });
  const one = await person(t);
  const signIn = async (tab, username, password) => {
    await tab.getByLabel("User name or e-mail").fill(username);
    await tab.getByLabel("Password", { exact: true }).fill(password);
    await tab.getByRole("button", { name: "Sign in" }).click();
  };
  await one.goto(`${server.url}/courses`);
  const other = await one.context().newPage();
  await other.goto(`${server.url}/sign-in`);
  await other.getByLabel("User name or e-mail").waitFor();

  await signIn(one, admin.username, admin.password);
  await one.waitForURL("**/courses");
  await other.getByRole("heading", { name: `Hello, ${admin.name}` }).waitFor();

  await other.getByRole("button", { name: "Sign out" }).click();
  await one.getByText("Your session has ended").waitFor();
  // What the tab knew of the teacher is gone with the teacher.
  await signIn(other, "sam", "a long enough one");
  await other.getByRole("heading", { name: "Hello, Sam Pupil" }).waitFor();
  await one.waitForURL("**/courses");
  await one.getByRole("link", { name: "Sam Pupil" }).waitFor();
  assert.equal(await one.getByText(admin.name).count(), 0);
});

test("who has messages that were not sent is told how many before signing out", async (t) => {
  const server = await serve(t);
  const teacher = await setUp(server);
  const course = await teacher("POST", "/courses/", { title: "Physics" });
  const room = await teacher("POST", "/rooms/", { course_id: course.id, name: "Group A" });
  const page = await person(t, { refused: [409], allow: /ERR_INTERNET_DISCONNECTED|WebSocket/ });
  await page.goto(`${server.url}/rooms/${room.id}`);
  await page.getByLabel("User name or e-mail").fill(admin.username);
  await page.getByLabel("Password", { exact: true }).fill(admin.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  const box = page.getByLabel("Write to Group A");
  await box.fill("said in time");
  await box.press("Enter");
  await page.getByRole("log").getByText("said in time").waitFor();
  await page.context().setOffline(true);
  for (const text of ["one is late", "two are late"]) {
    await box.fill(text);
    await box.press("Enter");
    await page.getByRole("log").getByText(text).waitFor();
  }
  await page.getByRole("button", { name: "Sign out" }).click();
  const asks = page.getByRole("dialog");
  await asks.getByRole("heading", { name: "Sign out with 2 messages not sent?" }).waitFor();
  await asks.getByRole("button", { name: "Cancel" }).click();
  await asks.waitFor({ state: "detached" });
  // Nothing takes messages any more, so these are never sent.
  await teacher("POST", `/courses/${course.id}/archive`);
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Sign out" }).click();
  await asks.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});
