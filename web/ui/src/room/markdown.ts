import DOMPurify from "dompurify";
import { Marked, type Token, type TokensList } from "marked";

/*
 * Markdown of people and agents becomes HTML that is safe to show: raw HTML is shown as it was
 * written, pictures become links, and what is left goes through DOMPurify. Each block is a
 * piece of its own, so that a growing answer changes its last block alone.
 */

export interface Names {
  /** Whom the message calls, by their names. */
  called: readonly string[];
  me: string;
  copy: string;
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
// A room of the studio, by its path, is the one address of our own.
const ours = /^\/rooms\/[\w-]+(?:\/\d+)?(?:\?thread=\d+)?$/;
const isSafe = (href: string): boolean => /^(https?:|mailto:)/i.test(href.trim()) || ours.test(href);
let names: Names = { called: [], me: "", copy: "" };

const math = (level: "block" | "inline", pattern: RegExp, start: RegExp) => ({
  name: `math-${level}-${start.source}`,
  level,
  start: (src: string) => {
    const at = src.search(start);
    return at < 0 ? undefined : at;
  },
  tokenizer(src: string) {
    const found = pattern.exec(src);
    return found ? { type: `math-${level}-${start.source}`, raw: found[0], text: found[1]!.trim(), display: level === "block" || found[0].startsWith("$$") || found[0].startsWith("\\[") } : undefined;
  },
  renderer(token: { raw: string; text?: string; display?: boolean }) {
    const html = `<span class="${token.display ? "math math-block" : "math"}">${escape(token.text ?? token.raw)}</span>`;
    return level === "block" ? `<p>${html}</p>` : html;
  },
});

const marked = new Marked({
  gfm: true,
  breaks: true,
  extensions: [
    math("block", /^\$\$([\s\S]+?)\$\$(?:\n|$)/, /\$\$/),
    math("block", /^\\\[([\s\S]+?)\\\](?:\n|$)/, /\\\[/),
    math("inline", /^\$\$([^\n]+?)\$\$/, /\$\$/),
    math("inline", /^\\\((.+?)\\\)/, /\\\(/),
    math("inline", /^\$((?! )(?:\\.|[^$\\\n])+?)(?<! )\$(?!\d)/, /\$(?! )/),
  ],
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => (isSafe(href) ? link(href, escape(text || href)) : escape(text)),
    link({ href, tokens }) {
      const inside = this.parser.parseInline(tokens);
      return isSafe(href) ? link(href, inside) : inside;
    },
    text(token) {
      return "tokens" in token && token.tokens ? this.parser.parseInline(token.tokens) : called("escaped" in token && token.escaped ? token.text : escape(token.text));
    },
    code({ text, lang }) {
      const language = (lang ?? "").split(/\s/)[0] ?? "";
      return (
        `<div class="code"><div class="code-head"><span>${escape(language)}</span><button type="button" class="copy">${escape(names.copy)}</button></div>` +
        `<pre tabindex="0"><code data-lang="${escape(language)}">${escape(text)}</code></pre></div>`
      );
    },
    table(token) {
      const row = (cells: typeof token.header, tag: string) =>
        `<tr>${cells.map((c) => `<${tag}${c.align ? ` class="to-${c.align}"` : ""}>${this.parser.parseInline(c.tokens)}</${tag}>`).join("")}</tr>`;
      return `<div class="wide" tabindex="0"><table><thead>${row(token.header, "th")}</thead><tbody>${token.rows.map((r) => row(r, "td")).join("")}</tbody></table></div>`;
    },
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

function link(href: string, inside: string): string {
  if (ours.test(href)) return `<a href="${escape(href)}" class="called">${inside}</a>`;
  return `<a href="${escape(href)}" target="_blank" rel="noopener noreferrer nofollow">${inside}</a>`;
}

function called(html: string): string {
  if (!html.includes("@") || names.called.length === 0) return html;
  const tags = names.called.map((n) => escape(n).replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return html.replace(new RegExp(`@(${tags.join("|")})`, "g"), (tag, name) => `<span class="${name === escape(names.me) ? "called called-me" : "called"}">${tag}</span>`);
}

const allowed = {
  ALLOWED_TAGS: "p br hr strong em del code pre a ul ol li blockquote h1 h2 h3 h4 h5 h6 table thead tbody tr th td div span button".split(" "),
  ALLOWED_ATTR: ["href", "target", "rel", "class", "data-lang", "tabindex", "type", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|\/rooms\/[\w-]+(?:[/?]|$))/i,
  // Without this the pattern is asked about these values too, and takes them all away.
  ADD_URI_SAFE_ATTR: ["target", "rel", "tabindex", "type", "start"],
};

const known = new Map<string, string>();
const mostKnown = 3_000;

/** The blocks of a text, each as safe HTML. What grows is closed where it is still open. */
export function blocksOf(text: string, how: Names, growing = false): string[] {
  const tokens = marked.lexer(growing ? closed(text) : text);
  const salt = `${how.called.join("\n")}\n${how.me}\n${how.copy}\n`;
  const blocks: string[] = [];
  for (const token of tokens) {
    if (token.type === "space" || token.type === "def") continue;
    const key = salt + token.raw;
    let html = known.get(key);
    if (html === undefined) {
      html = render(token, tokens, how);
      if (known.size >= mostKnown) known.delete(known.keys().next().value!);
      known.set(key, html);
    }
    blocks.push(html);
  }
  return blocks;
}

function render(token: Token, all: TokensList, how: Names): string {
  names = { ...how, called: [...how.called].sort((a, b) => b.length - a.length) };
  return DOMPurify.sanitize(marked.parser(Object.assign([token], { links: all.links })), allowed);
}

// A fence that is open swallows nothing but itself; a mark that is open would show as it is
// typed for a moment, and is closed.
function closed(text: string): string {
  const fences = text.match(/^ {0,3}(`{3,}|~{3,})/gm) ?? [];
  if (fences.length % 2 === 1) return `${text}\n${fences.at(-1)!.trim()}`;
  const last = text.slice(text.lastIndexOf("\n\n") + 1);
  const bold = (last.match(/\*\*/g) ?? []).length % 2 === 1;
  const code = (last.replace(/\*\*/g, "").match(/`/g) ?? []).length % 2 === 1;
  if (code) return `${text}\``;
  return bold && !/\*\*\s*$/.test(text) ? `${text.trimEnd()}**` : text;
}

/** Colours code and sets formulas where there are any; both come when they are first needed. */
export async function enhance(root: HTMLElement): Promise<void> {
  const codes = [...root.querySelectorAll<HTMLElement>("code[data-lang]:not([data-done])")].filter((c) => c.dataset["lang"]);
  const formulas = [...root.querySelectorAll<HTMLElement>(".math:not([data-done])")];
  // Another call may come while the parts below are on their way.
  for (const el of [...codes, ...formulas]) el.dataset["done"] = "";
  if (codes.length > 0) {
    const { default: hljs } = await import("highlight.js/lib/common");
    for (const code of codes) {
      const language = code.dataset["lang"]!.toLowerCase();
      if (hljs.getLanguage(language)) code.innerHTML = hljs.highlight(code.textContent ?? "", { language, ignoreIllegals: true }).value;
    }
  }
  if (formulas.length > 0) {
    const [{ default: katex }] = await Promise.all([import("katex"), import("katex/dist/katex.min.css")]);
    for (const formula of formulas) {
      const source = formula.textContent ?? "";
      try {
        katex.render(source, formula, { displayMode: formula.classList.contains("math-block"), throwOnError: false, maxSize: 20, maxExpand: 200 });
      } catch {
        formula.textContent = source;
      }
    }
  }
}
