/* All shortcuts there are. The list that "?" shows is this one, and so are the ways of "g": what
 * is not here has no key. */

export type ShortcutId = "palette" | "list" | "home" | "courses" | "agents" | "account" | "close" | "lines" | "reply" | "edit" | "editLast" | "search" | "mute" | "stop" | "save";

export interface Shortcut {
  id: ShortcutId;
  keys: string[]; // as they are shown
  joined: "" | "then" | "or";
  where: "everywhere" | "room" | "agent";
}

const mac = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.userAgent);
const mod = mac ? "⌘" : "Ctrl";

/** Where "g" and then a letter lead. */
export const ways: Record<string, { id: ShortcutId; to: string; staff?: boolean }> = {
  h: { id: "home", to: "/home" },
  c: { id: "courses", to: "/courses" },
  a: { id: "agents", to: "/agents", staff: true },
  p: { id: "account", to: "/account" },
};

export function shortcuts(staff: boolean): Shortcut[] {
  return [
    { id: "palette", keys: [mod, "K"], joined: "", where: "everywhere" },
    { id: "list", keys: ["?"], joined: "", where: "everywhere" },
    ...Object.entries(ways)
      .filter(([, way]) => staff || !way.staff)
      .map(([letter, way]): Shortcut => ({ id: way.id, keys: ["G", letter.toUpperCase()], joined: "then", where: "everywhere" })),
    { id: "close", keys: ["Esc"], joined: "", where: "everywhere" },
    { id: "lines", keys: ["J", "K"], joined: "or", where: "room" },
    { id: "reply", keys: ["R"], joined: "", where: "room" },
    { id: "edit", keys: ["E"], joined: "", where: "room" },
    { id: "editLast", keys: ["↑"], joined: "", where: "room" },
    { id: "search", keys: ["/"], joined: "", where: "room" },
    { id: "mute", keys: ["M"], joined: "", where: "room" },
    { id: "stop", keys: ["Esc"], joined: "", where: "room" },
    ...(staff ? [{ id: "save", keys: [mod, "S"], joined: "", where: "agent" } satisfies Shortcut] : []),
  ];
}

/** What a key does on every page: opens the palette or the list, or goes somewhere. */
export type Deed = { do: "palette" | "list" } | { to: string };
type Key = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

/** Reads keys one after the other; typing is who writes into a field. */
export function keyReader(now: () => number = Date.now): (key: Key, typing: boolean, staff: boolean) => Deed | undefined {
  let went = -Infinity;
  return (key, typing, staff) => {
    if ((key.ctrlKey || key.metaKey) && !key.shiftKey && !key.altKey && key.key.toLowerCase() === "k") return { do: "palette" };
    if (key.ctrlKey || key.metaKey || key.altKey || typing) return undefined;
    if (key.key === "?") return { do: "list" };
    if (key.key === "g") {
      went = now();
      return undefined;
    }
    const way = now() - went < 1500 ? ways[key.key] : undefined;
    went = -Infinity;
    return way && (staff || !way.staff) ? { to: way.to } : undefined;
  };
}
