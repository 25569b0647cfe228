// What tests see and do of an open room.

/** The list of the room's messages, and not that of a thread beside it. */
export const log = (page) => page.getByRole("log", { name: "Messages" });
export const box = (page) => page.getByRole("textbox", { name: /^Write to/ });
export const rows = (page, text) => log(page).locator("article", { hasText: text });

/** Writes a message and sends it by the button. */
export async function write(page, text) {
  await box(page).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}
