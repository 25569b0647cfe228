// Pictures that need no file in the repository: drawn by the browser.

async function drawn(browser, width, height, body) {
  const page = await browser.newPage({ viewport: { width, height } });
  await page.setContent(`<body style="margin:0">${body}`);
  const png = await page.screenshot();
  await page.close();
  return png;
}

/** A face, of colours that follow the name. */
export function portrait(browser, name) {
  const hue = [...name].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 360, 7);
  const svg = `<svg width="256" height="256" viewBox="0 0 64 64"><rect width="64" height="64" fill="oklch(80% .09 ${hue})"/><path d="M8 70c2-20 12-24 24-24s22 4 24 24z" fill="oklch(45% .12 ${(hue + 140) % 360})"/><circle cx="32" cy="29" r="14" fill="oklch(${60 + (hue % 25)}% .06 60)"/><path d="M17 29c-2-18 32-20 30 0-4-8-8-9-15-9s-12 2-15 9z" fill="oklch(30% .05 ${hue % 90})"/></svg>`;
  return drawn(browser, 256, 256, svg);
}

/** The drawing of an experiment. */
export function picture(browser, width, height) {
  const svg = `<svg width="${width}" height="${height}" viewBox="0 0 600 ${(600 * height) / width}" preserveAspectRatio="xMidYMid slice"><rect width="600" height="2000" fill="#eaf2fb"/><rect y="160" width="600" height="2000" fill="#8fc1e3"/><path d="M0 160H600" stroke="#24527a" stroke-width="3"/><path d="M300 20V2000" stroke="#24527a" stroke-dasharray="8 8" stroke-width="2"/><path d="M120 10 300 160 400 320" fill="none" stroke="#c9302c" stroke-width="5"/><text x="310" y="90" font-size="24" font-family="sans-serif" fill="#24527a">50°</text><text x="310" y="260" font-size="24" font-family="sans-serif" fill="#24527a">35°</text></svg>`;
  return drawn(browser, width, height, svg);
}
