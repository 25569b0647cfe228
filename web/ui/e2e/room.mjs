// What tests see and do of an open room.
import { until } from "./harness.mjs";

/** The list of the room's messages, and not that of a thread beside it. */
export const log = (page) => page.getByRole("log", { name: "Messages" });
export const box = (page) => page.getByRole("textbox", { name: /^Write to/ });
export const rows = (page, text) => log(page).locator("article", { hasText: text });

/** Writes a message and sends it by the button. */
export async function write(page, text) {
  await box(page).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

/** Three frames are painted without a change of what fn measures, which is then returned; null is not there yet. */
export async function still(page, fn, what = "the page") {
  let at;
  await until(async () => {
    at = await fn();
    await page.evaluate(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(r)))));
    return at !== null && JSON.stringify(await fn()) === JSON.stringify(at);
  }, `${what} to be still`);
  return at;
}
