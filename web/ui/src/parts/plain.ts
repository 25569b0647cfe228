/** A piece of a message without the signs of Markdown, for one line of a list; it may be cut anywhere. */
export const plain = (text: string): string => unsigned(text).replace(/^[\s·]+|[\s·]+$/g, "");

/** The same of a part of such a piece, which keeps the space around it. */
export function unsigned(text: string): string {
  return text
    .replace(/\|(?:\s*:?-{3,}:?\s*\|)+/g, " ")
    .replace(/```[\w-]*/g, " ")
    .replace(/!?\[([^\]]*)\]\([^)\s]*\)?/g, "$1")
    .replace(/(^|\n)([ \t]*)(?:#{1,6}|>|[-*+]|\d+[.)])[ \t]+/g, "$1$2")
    .replace(/(^|\n)[ \t]*\|?[ \t]*:?-{3,}[-:| \t]*(?=\n|$)/g, "$1")
    .replace(/(\*\*|__|~~)(?=\S)([^\n]*?\S)\1/g, "$2")
    .replace(/(^|[^\w*])([*_])(?=[^\s*_])([^*_\n]*?[^\s*_])\2(?![\w*])/g, "$1$3")
    .replace(/`([^`\n]+)`/g, "$1")
    .replace(/\*\*|~~|\$\$/g, "")
    .replace(/(^|\s)\|+(?=\s|$)/g, "$1·")
    .replace(/\s+/g, " ");
}
