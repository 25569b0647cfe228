import type { Beside } from "./beside";
import type { Room } from "./room";

export interface Command {
  id: string;
  name: string; // what is typed behind the slash
  text: string; // what it does
  /** Does it. What it returns stands in the box then. */
  run: () => unknown;
}

/** What a member may do by a slash; staff's commands are there for staff alone. */
export function commandsOf(room: Room, open: (what: Beside, value: string) => void, t: (key: string, values?: Record<string, unknown>) => string): Command[] {
  const can = room.can.value;
  const silent = room.level.value === "none";
  const newest = room.timeline.stored().findLast((l) => l.state === "shown");
  const all: (Command | false | undefined)[] = [
    room.here.agents.value.length > 0 && { id: "ask", name: "ask", text: t("room.command.ask"), run: () => "@" },
    room.answering.value.length > 0 && room.mayStop() && { id: "stop", name: "stop", text: t("room.command.stop"), run: () => room.answering.value.forEach((l) => void room.stop(l.turn!.id)) },
    { id: "search", name: "search", text: t("room.command.search"), run: () => open("find", "") },
    { id: "mute", name: "mute", text: t(silent ? "room.command.unmute" : "room.command.mute"), run: () => void room.toggleMute() },
    room.unreadAfter.value !== undefined && { id: "unread", name: "unread", text: t("room.command.unread"), run: () => void room.toUnread() },
    can?.pin && newest && { id: "pin", name: "pin", text: t(room.isPinned(newest) ? "room.command.unpin" : "room.command.pin", { name: newest.name }), run: () => void room.pin(newest) },
    can?.stop && room.isHeld() && { id: "goon", name: "goon", text: t("room.command.goon"), run: () => void room.goOn() },
    ...(can?.manage_agents ? room.here.agents.value.filter((a) => a.is_active).map((a) => ({ id: `speak:${a.id}`, name: `speak ${a.name}`, text: t("room.speakIt", { name: a.name }), run: () => void room.wake(a.id) })) : []),
  ];
  return all.filter((c): c is Command => !!c);
}
