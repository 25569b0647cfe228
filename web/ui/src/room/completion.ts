import { computed, ref, shallowRef, watch, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import type { Schemas } from "@/api/client";
import { useRooms } from "@/live/rooms";
import { askedFor } from "./asked";
import { useBeside } from "./beside";
import { commandsOf, type Command } from "./commands";
import type { Emoji } from "./emoji_names";
import type { Room } from "./room";

export interface Candidate {
  kind: "person" | "agent" | "everyone" | "emoji" | "room" | "command";
  id: string;
  name: string;
  picture?: string | null;
  agent?: string;
  here: boolean;
  more?: string; // such as the course of a room
  command?: Command;
}

const most = 8;

/** Completes names, emoji, rooms and commands: what is here comes first, by any part of a name. */
export function useCompletion(room: Room, text: Ref<string>) {
  const { here, can } = room;
  const { t } = useI18n();
  const rooms = useRooms();
  const beside = useBeside();
  const caret = ref(0);
  const closedAt = ref(-1); // the sign whose list was closed by Escape
  const at = ref(0); // the chosen one
  const picked = ref<Candidate[]>([]);
  const emoji = shallowRef<Emoji[]>();

  const asked = computed(() => askedFor(text.value, caret.value));
  // Another sign at the same place is another question.
  watch(asked, (now) => {
    if (!now) closedAt.value = -1;
  });
  watch(
    () => asked.value?.sign === ":" && !emoji.value,
    async (is) => {
      if (is) emoji.value = (await import("./emoji_names")).emojiNames;
    },
  );

  function candidates(sign: "@" | ":" | "#" | "/"): Candidate[] {
    if (sign === ":") return (emoji.value ?? []).map((e) => ({ kind: "emoji", id: e.emoji, name: e.names, here: true }));
    if (sign === "#") return rooms.list.filter((r) => r.id !== room.id).map((r) => ({ kind: "room", id: r.id, name: r.name, more: r.courseTitle, here: r.courseId === room.info.value?.course_id }));
    if (sign === "/") return commandsOf(room, beside.open, t).map((c) => ({ kind: "command", id: c.id, name: c.name, more: c.text, here: true, command: c }));
    return [
      ...here.agents.value.map((a) => ({ kind: "agent" as const, id: a.id, name: a.name, agent: a.type, here: a.is_active })),
      ...here.people.value.filter((p) => p.user_id !== room.me.id).map((p) => ({ kind: "person" as const, id: p.user_id, name: p.name, picture: p.avatar_url, here: here.hereNow.value.has(p.user_id) })),
      ...(can.value?.call_everyone ? [{ kind: "everyone" as const, id: "", name: t("room.everyoneTag"), here: true }] : []),
    ];
  }

  const found = computed<Candidate[]>(() => {
    if (!asked.value || asked.value.from === closedAt.value) return [];
    const { word, sign } = asked.value;
    const rank = (c: Candidate): number => (c.name.toLocaleLowerCase().startsWith(word) ? 0 : 2) + (c.here ? 0 : 1);
    return candidates(sign)
      .filter((c) => c.name && (c.name.toLocaleLowerCase().includes(word) || (c.kind === "command" && c.more!.toLocaleLowerCase().includes(word))))
      .sort((a, b) => rank(a) - rank(b))
      .slice(0, most);
  });

  /** The text with the chosen one, and where the caret stands then. */
  function pick(c: Candidate): { text: string; caret: number } {
    const { from } = asked.value!;
    at.value = 0;
    if (c.command) {
      const left = c.command.run();
      const rest = typeof left === "string" ? left : "";
      return { text: rest, caret: rest.length };
    }
    const put = c.kind === "emoji" ? `${c.id} ` : `${c.kind === "room" ? "#" : "@"}${c.name} `;
    if (c.kind !== "everyone" && c.kind !== "emoji") picked.value.push(c);
    return { text: text.value.slice(0, from) + put + text.value.slice(caret.value).replace(/^ /, ""), caret: from + put.length };
  }

  /** Whom the text means, by id, of those who were chosen from the list. */
  function meant(of: string): Schemas["MentionID"][] {
    const seen = new Set<string>();
    return picked.value.flatMap((c) => {
      if ((c.kind !== "person" && c.kind !== "agent") || seen.has(c.id) || !of.includes(`@${c.name}`)) return [];
      seen.add(c.id);
      return [{ kind: c.kind, id: c.id }];
    });
  }
  const linked = (): { id: string; name: string }[] => picked.value.filter((c) => c.kind === "room");

  function close(): void {
    closedAt.value = asked.value?.from ?? -1;
  }
  return { caret, at, found, picked, pick, meant, linked, close };
}
