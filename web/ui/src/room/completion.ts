import { computed, ref, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import type { Schemas } from "@/api/client";
import type { Here } from "./here";
import type { Can } from "./room";

export interface Candidate {
  kind: "person" | "agent" | "everyone";
  id: string;
  name: string;
  picture?: string | null;
  agent?: string;
  here: boolean;
}

const most = 8;

/** Completes the @ of a name: people and agents who are here first, by any part of their name. */
export function useCompletion(here: Here, can: Ref<Can | undefined>, me: string, text: Ref<string>) {
  const { t } = useI18n();
  const caret = ref(0);
  const closedAt = ref(-1); // the @ whose list was closed by Escape
  const at = ref(0); // the chosen one
  const picked = ref<Candidate[]>([]);

  const asked = computed(() => {
    const before = text.value.slice(0, caret.value);
    const found = /(?:^|[\s(（「『，。、：:])@([^\s@]{0,40}(?: [^\s@]{0,20})?)$/u.exec(before);
    return found ? { from: before.length - found[1]!.length - 1, word: found[1]!.toLocaleLowerCase() } : undefined;
  });

  const found = computed<Candidate[]>(() => {
    if (!asked.value || asked.value.from === closedAt.value) return [];
    const { word } = asked.value;
    const all: Candidate[] = [
      ...here.agents.value.map((a) => ({ kind: "agent" as const, id: a.id, name: a.name, agent: a.type, here: a.is_active })),
      ...here.people.value.filter((p) => p.user_id !== me).map((p) => ({ kind: "person" as const, id: p.user_id, name: p.name, picture: p.avatar_url, here: here.hereNow.value.has(p.user_id) })),
      ...(can.value?.call_everyone ? [{ kind: "everyone" as const, id: "", name: t("room.everyoneTag"), here: true }] : []),
    ];
    const rank = (c: Candidate): number => (c.name.toLocaleLowerCase().startsWith(word) ? 0 : 2) + (c.here ? 0 : 1);
    return all
      .filter((c) => c.name && c.name.toLocaleLowerCase().includes(word))
      .sort((a, b) => rank(a) - rank(b))
      .slice(0, most);
  });

  /** The text with the chosen name, and where the caret stands then. */
  function pick(c: Candidate): { text: string; caret: number } {
    const { from } = asked.value!;
    const name = `@${c.name} `;
    if (c.kind !== "everyone") picked.value.push(c);
    at.value = 0;
    return { text: text.value.slice(0, from) + name + text.value.slice(caret.value).replace(/^ /, ""), caret: from + name.length };
  }

  /** Whom the text means, by id, of those who were chosen from the list. */
  function meant(of: string): Schemas["MentionID"][] {
    const seen = new Set<string>();
    return picked.value.flatMap((c) => {
      if (seen.has(c.id) || !of.includes(`@${c.name}`) || c.kind === "everyone") return [];
      seen.add(c.id);
      return [{ kind: c.kind, id: c.id }];
    });
  }

  function close(): void {
    closedAt.value = asked.value?.from ?? -1;
  }
  return { caret, at, found, picked, pick, meant, close };
}
