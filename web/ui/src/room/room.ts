import { computed, inject, onScopeDispose, provide, ref, shallowReactive, shallowRef, type InjectionKey } from "vue";
import { useI18n } from "vue-i18n";
import { useSession } from "@/account/session";
import { GET, ok, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";
import type { Frame } from "@/live/connection";
import { useLive } from "@/live/live";
import { useFailure } from "@/parts/failure";
import { toast } from "@/parts/toasts";
import { makeActions } from "./actions";
import { makeAsk } from "./ask";
import { makeEditing } from "./editing";
import { makeHere } from "./here";
import { makeHistory, type Place } from "./history";
import { makeLevel } from "./level";
import { isParked, type Line, type RoomFrame } from "./line";
import { Outbox, type Waiting } from "./outbox";
import { makeReading } from "./reading";
import { Timeline } from "./timeline";

export type Can = Schemas["RoomCan"];
const silentAfter = 10_000; // the server names the answers under way at once

/** What else shows messages of the room, such as a thread. */
export interface View {
  timeline: Timeline;
  take(frame: RoomFrame): unknown;
  waits(line: Waiting): void;
  reload(): void;
}

/** One open room: what is said in it, who is there, and what one may do. */
export function openRoom(id: string, at: number | undefined) {
  const session = useSession();
  const live = useLive();
  const words = useFailure();
  const { t } = useI18n();
  const me = session.me!;
  const info = shallowRef<Schemas["RoomOut"]>();
  const can = ref<Can>();
  const archived = ref(false);
  const gone = ref(false);
  const loaded = ref(false);
  const failure = shallowRef<unknown>();
  const version = ref(0);
  const said = ref(""); // for who listens to the page
  const returned = shallowRef<Waiting>(); // an unsent message that its author takes back
  const sight = shallowRef<() => Place>(); // where somebody reads
  const here = makeHere(id, me.id);
  // Many frames may come at once, as after a lost connection: the page shows them together.
  let hearing = false;
  let due: ReturnType<typeof setTimeout> | undefined;
  function soon(): void {
    due ??= setTimeout(() => {
      due = undefined;
      version.value++;
    }, 16);
  }
  const timeline = new Timeline(me.id, { wrap: (line) => shallowReactive(line), changed: () => (hearing ? soon() : version.value++) });
  const reading = makeReading(id, timeline, loaded);
  const { unreadAfter } = reading;
  const history = makeHistory({ id, timeline, unreadAfter, words, isOver: () => over });
  const { goal } = history;
  const rows = computed(() => (version.value, timeline.rows(unreadAfter.value)));
  const answering = computed(() => (version.value, timeline.live.filter((l) => !isParked(l.turn!.doing))));
  const views = new Set<View>();
  const timelines = (): Timeline[] => [timeline, ...[...views].map((v) => v.timeline)];
  const outbox = new Outbox(me.id, id, {
    send: (post) => live.send(post),
    silent: () => live.renew(),
    shown(line) {
      const told = line.refused === "" ? { ...line, refused: t("room.tooLong") } : line;
      timeline.waiting(told, { name: session.name });
      for (const view of views) view.waits(told);
    },
    gone: (clientId) => timelines().forEach((tl) => tl.drop(clientId)),
  });
  let leave = (): void => {};
  let over = false;

  // ----- loading

  async function load(): Promise<void> {
    failure.value = undefined;
    try {
      const room = await ok(GET("/api/v1/rooms/{room_id}", { params: { path: { room_id: id }, query: { include: ["agents", "me", "running", "pins"] } } }));
      const page = await history.page(at === undefined ? {} : { around: String(at) });
      if (over) return;
      info.value = room;
      can.value = room.can;
      archived.value = room.archived_at !== undefined;
      here.agents.value = room.agents ?? [];
      here.pins.value = room.pins ?? [];
      reading.begin(room.me?.read_seq ?? 0, room.me?.unread ?? 0);
      timeline.replace(page);
      for (const turn of room.running ?? []) timeline.take(turn);
      for (const line of outbox.lines) timeline.waiting(line, { name: session.name });
      // Who comes by a link looks at one message; what is behind it counts as read once they move on.
      if (at !== undefined) reading.hold("link");
      goal.value = at !== undefined ? { to: "line", seq: page.at ?? at, flash: true } : { to: reading.unreadCount.value > 0 ? "unread" : "end" };
      loaded.value = true;
      void history.learnSince();
      void here.load(can.value);
      leave();
      // From the last message on, what came behind it comes again: notices are not in the history.
      leave = live.follow({ room_id: id, after: Math.min(room.me?.last_seq ?? 0, page.more_after ? Infinity : (page.messages.at(-1)?.seq ?? 0)) }, hear);
      if (live.online) outbox.flush();
    } catch (cause) {
      if (over) return;
      if (cause instanceof Problem && (cause.status === 403 || cause.status === 404)) gone.value = true;
      else failure.value = cause;
    }
  }

  async function toEnd(): Promise<void> {
    reading.release("link");
    if (await history.toEnd()) reading.fresh.value = 0;
  }

  /** Reads again what no frame tells: the agents, what one may do, who belongs to the room. */
  async function refresh(): Promise<void> {
    const now = await ok(GET("/api/v1/rooms/{room_id}", { params: { path: { room_id: id }, query: { include: ["agents", "me", "pins"] } } })).catch(() => undefined);
    if (over || !now) return;
    info.value = now;
    can.value = now.can;
    archived.value = now.archived_at !== undefined;
    here.agents.value = now.agents ?? [];
    here.pins.value = now.pins ?? [];
    void here.load(can.value);
  }

  async function resync(): Promise<void> {
    for (const view of views) view.reload();
    await history.resync(sight.value?.());
  }

  // ----- what comes

  let pieces: RoomFrame[] = [];
  function flush(): void {
    const all = pieces;
    pieces = [];
    for (const piece of all) take(piece);
  }

  function take(frame: RoomFrame): Line | undefined {
    hearing = true;
    const line = timeline.take(frame);
    hearing = false;
    for (const view of views) view.take(frame);
    return line;
  }

  function hear(frame: Frame): void {
    if (frame.type === "delta") {
      // One rendering for each painted frame.
      if (pieces.push(frame) === 1) requestAnimationFrame(flush);
      return;
    }
    flush();
    switch (frame.type) {
      case "joined":
        can.value = frame.can;
        archived.value = frame.archived;
        setTimeout(() => timelines().forEach((tl) => tl.prune()), silentAfter);
        break;
      case "archived":
        archived.value = frame.archived;
        void refresh();
        break;
      case "ack":
        outbox.acked(frame.client_id);
        for (const tl of timelines()) tl.acked(frame.client_id, frame.id, frame.seq);
        if (frame.not_called?.length) toast(t("room.notCalled", { names: frame.not_called.map((m) => m.name ?? t("room.everyone")).join(", ") }), { kind: "failed" });
        return;
      case "error":
        if (frame.client_id && outbox.find(frame.client_id)) outbox.refused(frame.client_id, frame.message, frame.retry_after);
        else if (frame.code !== "not_subscribed") toast(frame.message, { kind: "failed" });
        return;
      case "resync":
        void resync();
        return;
      case "unsubscribed":
        gone.value ||= frame.reason === "not_member";
        return;
      case "room_gone":
        if (!frame.archived) gone.value = true;
        return;
      case "turn":
        // Somebody has put an agent into the room.
        if (!here.agents.value.some((a) => a.id === frame.agent_id)) void refresh();
        if (frame.state === "finished" && frame.seq === undefined) setTimeout(() => timelines().forEach((tl) => tl.prune()), silentAfter);
        break;
    }
    here.take(frame, can.value);
    if (frame.type === "rooms" || frame.type === "mention" || frame.type === "course_copy" || frame.type === "account") return;
    if (frame.type === "message" && frame.client_id) outbox.acked(frame.client_id);
    const grown = frame.type === "message" && frame.turn_id !== undefined && !!timeline.turn(frame.turn_id)?.text;
    const line = take(frame);
    if (line) news(line, grown);
  }

  function news(line: Line, grown: boolean): void {
    if (line.own || line.kind === "notice") return;
    if (!line.turn) said.value = t(line.kind === "agent" ? "room.agentSaid" : "room.personSaid", { name: line.name, text: line.text.slice(0, 500) });
    reading.said(grown);
  }

  function send(text: string, more: Pick<Waiting, "files" | "mentions" | "reply">): void {
    outbox.add(text, more);
    reading.release("link");
    if (timeline.moreAfter) void toEnd();
    else goal.value = { to: "end" };
  }

  /** Takes an unsent message back, to be edited or dropped. */
  function takeBack(clientId: string, toEdit: boolean, to = returned): void {
    const line = outbox.remove(clientId);
    for (const tl of timelines()) tl.drop(clientId);
    if (toEdit) to.value = line;
  }

  /** Staff stop any answer; who said what is answered stops that one. */
  function mayStop(): boolean {
    void version.value;
    return can.value?.stop === true || timeline.lines.findLast((l) => l.kind === "person" && l.id !== undefined)?.own === true;
  }

  /** Whether a guard keeps the agents from going on. */
  const isHeld = (): boolean => (void version.value, timeline.lines.some((l) => l.notice?.kind === "guard" && l.notice.open));

  /** Tells a view of all that comes, until the returned function is called. */
  function beside(view: View): () => void {
    views.add(view);
    return () => void views.delete(view);
  }

  const stops = [
    live.whenOpen(() => {
      if (loaded.value) {
        outbox.flush();
        void refresh();
      } else if (failure.value) void load();
    }),
    live.whenTooLarge(() => outbox.refuseLongest(t("room.tooLong"))),
  ];
  onScopeDispose(() => {
    over = true;
    leave();
    stops.forEach((stop) => stop());
    outbox.close();
    here.close();
    clearTimeout(due);
  });

  const actions = makeActions({ id, timelines, can, unreadFrom: reading.unreadFrom, here, words, t });
  const editor = makeEditing(() => (can.value?.post ? timeline.lastOwn() : undefined));
  const ask = makeAsk({ timeline, here, can, archived, info, send, t });
  return {
    id, me, info, can, archived, gone, loaded, failure, rows, unreadAfter, unreadCount: reading.unreadCount, fresh: reading.fresh, said, here, timeline, answering, version, outbox,
    isThread: false, ...makeLevel(id, words, t), draft: id, asked: shallowRef(at), sight, load, refresh, seen: reading.seen, hold: reading.hold, release: reading.release, send, takeBack, mayStop, isHeld, returned, beside, linkTo: (seq: number) => `/rooms/${id}/${seq}`,
    ...history, toEnd, ...actions, ...editor, ...ask,
  };
}

export type Room = ReturnType<typeof openRoom>;
const key: InjectionKey<Room> = Symbol("room");
export const provideRoom = (room: Room): void => provide(key, room);
export function useRoom(): Room {
  const room = inject(key);
  if (!room) throw new Error("no room is open here");
  return room;
}
