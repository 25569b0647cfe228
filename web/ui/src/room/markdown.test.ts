// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { blocksOf } from "./markdown";

const how = { called: ["Darwin", "Ada"], me: "Ada", copy: "Copy" };
const html = (text: string, growing = false): string => blocksOf(text, how, growing).join("");

it("shows raw HTML as it was written, and no script in any way", () => {
  expect(html("<img src=x onerror=alert(1)>")).not.toMatch(/<img/);
  expect(html("a <b>c</b>")).toContain("&lt;b&gt;");
  expect(html("[x](javascript:alert(1))")).not.toMatch(/href/);
  expect(html("![x](https://a.example/p.png)")).toMatch(/<a [^>]*href="https:\/\/a.example\/p.png"/);
});

it("opens links elsewhere, without telling from where", () => {
  expect(html("https://a.example/?a=1&b=2")).toMatch(/rel="noopener noreferrer nofollow"/);
});

it("marks whom a message calls, and not in code", () => {
  expect(html("hi @Darwin")).toContain('<span class="called">@Darwin</span>');
  expect(html("hi @Ada")).toContain("called-me");
  expect(html("`@Darwin`")).not.toContain("called");
});

it("keeps finished blocks as they are while an answer grows", () => {
  const one = blocksOf("First.\n\nSec", how, true);
  const two = blocksOf("First.\n\nSecond **bo", how, true);
  expect(two[0]).toBe(one[0]);
  expect(two[1]).toContain("<strong>bo</strong>");
});

it("closes what is still open", () => {
  expect(html("```js\nlet a", true)).toMatch(/<pre[^>]*><code data-lang="js">let a/);
});

it("opens links elsewhere, and lets the keyboard reach code that scrolls", () => {
  expect(html("see https://example.org")).toMatch(/<a [^>]*target="_blank"/);
  expect(html("see https://example.org")).toMatch(/rel="[^"]*noopener/);
  expect(html("```\na\n```")).toContain('<pre tabindex="0">');
});

it("keeps formulas for later, and prices as they are", () => {
  expect(html("so $a^2$ is")).toContain('<span class="math">a^2</span>');
  expect(html("$$\na<b\n$$")).toContain('<span class="math math-block">a&lt;b</span>');
  expect(html("it costs $5 or $6")).not.toContain("math");
});
