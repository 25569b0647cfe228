/** The title of the window: how much is new comes first, as tabs are narrow. */
export function titleOf(what: string[], app: string, unread: number, mentions: number): string {
  const count = mentions > 0 ? `(@${most(mentions)}) ` : unread > 0 ? `(${most(unread)}) ` : "";
  return count + [...what, app].filter(Boolean).join(" · ");
}

const most = (n: number): string => (n >= 100 ? "99+" : String(n));
