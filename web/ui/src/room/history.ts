import { ref, shallowRef } from "vue";
import { GET, ok } from "@/api/client";
import { toast } from "@/parts/toasts";
import { timeOf } from "./line";
import type { Timeline } from "./timeline";

/** Where to scroll; a new one each time, also to the same place. */
export type Goal = { to: "end" | "unread" } | { to: "line"; seq: number; flash: boolean; stay?: boolean; found?: boolean } | ({ to: "place" } & Place);

/** Where somebody reads: how far below the upper edge a message stands. */
export interface Place {
  seq: number;
  offset: number;
  atEnd: boolean;
}

interface With {
  id: string;
  timeline: Timeline;
  unreadAfter: { readonly value: number | undefined };
  isOver: () => boolean; // the page has gone meanwhile
  words: (cause: unknown) => string;
}

const pageSize = 80;

/** The parts of what was said that are not shown yet, and the way to each. */
export function makeHistory({ id, timeline, unreadAfter, isOver, words }: With) {
  const more = ref(false); // another part is on its way
  const goal = shallowRef<Goal>(); // where the page is to scroll to

  async function page(query: { before?: number; after?: number; around?: string; limit?: number }) {
    return ok(GET("/api/v1/rooms/{room_id}/messages", { params: { path: { room_id: id }, query: { limit: pageSize, ...query } } }));
  }
  type Page = Awaited<ReturnType<typeof page>>;

  // Where one goes to replaces what was asked for on the way; that one is then not put in.
  let asked = 0;
  async function part(query: Parameters<typeof page>[0]): Promise<Page | undefined> {
    const own = ++asked;
    more.value = true;
    try {
      const found = await page(query);
      return isOver() || own !== asked ? undefined : found;
    } catch (cause) {
      // One that fails says so, and is asked for again by the next scroll.
      if (!isOver() && own === asked) toast(words(cause), { kind: "failed" });
      return undefined;
    } finally {
      if (own === asked) more.value = false;
    }
  }

  async function earlier(): Promise<void> {
    const first = timeline.stored()[0];
    if (more.value || !timeline.moreBefore || !first) return;
    const found = await part({ before: first.seq });
    if (found) timeline.prepend(found);
  }

  async function later(): Promise<void> {
    const last = timeline.stored().at(-1);
    if (more.value || !timeline.moreAfter || !last) return;
    const found = await part({ after: last.seq });
    if (found) timeline.append(found);
  }

  async function show(query: Parameters<typeof page>[0]): Promise<boolean> {
    // Who asks for a place gets it, also while another part is on its way.
    while (more.value) await new Promise((next) => setTimeout(next, 20));
    const found = await part(query);
    if (found) timeline.replace(found);
    return found !== undefined;
  }

  async function reach(seq: number): Promise<boolean> {
    const stored = timeline.stored();
    const near = stored.length > 0 && seq >= stored[0]!.seq && seq <= stored.at(-1)!.seq;
    return near || (await show({ around: String(Math.max(1, seq)) }));
  }

  /** Shows a message, wherever it is. */
  async function jump(seq: number, flash = true): Promise<void> {
    if (await reach(seq)) goal.value = { to: "line", seq, flash };
  }

  /** Shows what a search has found; the focus stays in its list. */
  async function toFound(seq: number, stay: boolean): Promise<void> {
    if (await reach(seq)) goal.value = { to: "line", seq, flash: true, stay, found: true };
  }

  async function backTo(place: Place): Promise<void> {
    if (place.atEnd) await toEnd();
    else if (await reach(place.seq)) goal.value = { to: "place", ...place };
  }

  /** Shows the first message from a time on, or else the last before it. */
  async function toTime(at: number): Promise<boolean> {
    if (!(await show({ around: new Date(at).toISOString() }))) return false;
    const stored = timeline.stored();
    const first = stored.find((l) => l.at >= at) ?? stored.at(-1);
    if (first) goal.value = { to: "line", seq: first.seq, flash: true };
    return true;
  }

  const unreadSince = ref<number>(); // when the first unread message was said, where it is far above

  /** Learns since when there are unread messages above what is shown. */
  async function learnSince(): Promise<void> {
    if (unreadAfter.value === undefined || !isFar(unreadAfter.value)) return;
    // Without it the bar says how many there are.
    const found = await page({ after: unreadAfter.value, limit: 1 }).catch(() => undefined);
    const first = found?.messages[0];
    if (first && !isOver()) unreadSince.value = timeOf(first.created_at);
  }

  function isFar(seq: number): boolean {
    const first = timeline.stored()[0];
    return timeline.moreBefore && first !== undefined && first.seq > seq + 1;
  }

  async function toUnread(): Promise<void> {
    if (unreadAfter.value === undefined) return;
    if (!isFar(unreadAfter.value) || (await show({ around: String(Math.max(1, unreadAfter.value)) }))) goal.value = { to: "unread" };
  }

  async function toEnd(): Promise<boolean> {
    if (timeline.moreAfter && !(await show({}))) return false;
    goal.value = { to: "end" };
    return true;
  }

  /** Reads again what may lack something: the part where somebody reads above, else the newest. */
  async function resync(place: Place | undefined): Promise<boolean> {
    const above = place !== undefined && !place.atEnd && place.seq > 0;
    if (!(await show(above ? { around: String(place.seq) } : {}))) return false;
    goal.value = above ? { to: "place", ...place } : { to: "end" };
    return true;
  }

  return { more, goal, page, earlier, later, jump, toFound, backTo, toTime, toUnread, unreadSince, learnSince, isFar, toEnd, resync };
}
