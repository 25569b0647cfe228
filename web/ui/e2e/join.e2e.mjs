import assert from "node:assert/strict";
import { after, test } from "node:test";
import { end, person, serve, setUp } from "./harness.mjs";

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
  const page = await person(t, { locale: "zh-TW" });
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
