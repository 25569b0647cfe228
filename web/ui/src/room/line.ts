import type { Schemas } from "@/api/client";
import type { Waiting } from "./outbox";

export type LineOut = Schemas["LineOut"];
export type RoomFrame = Schemas["RoomFrame"];
export type File = Schemas["File"];
export type Reaction = Schemas["ReactionOut"];
export type TurnFrame = Schemas["V2TurnEnded"];
export type MessageFrame = Schemas["V2Message"];

/** What an answer waits for: the staff, to be resumed, a decision, a budget, somebody outside. */
export type Waits = "parked" | "paused" | "approval" | "budget" | "outside";
const waits: Record<string, Waits> = { paused: "paused", approval: "approval", budget: "budget", outside_answer: "outside" };
export const waitsFor = (reason: string | undefined): Waits => waits[reason ?? ""] ?? "parked";

/** What an agent does at the moment, or how its turn ended without a message. */
export type Doing = "thinking" | "writing" | "tool" | "drafting" | "review" | "revising" | "retrying" | Waits | "stopped" | "failed" | "nothing";

export interface Turn {
  id: string;
  agentId: string;
  attempt: number;
  doing: Doing;
  /** Of a tool or a step of a workflow. */
  what: string;
  /** The answer is still to come. */
  live: boolean;
  heard: boolean;
  /** What staff are told of why it ended. */
  reason: string;
  detail: string;
  rootId: string | undefined;
  /** How far the text is known; it differs from its length once a piece was lost. */
  end: number;
}

/** Whether an answer waits for somebody, and nobody works on it. */
export const isParked = (doing: Doing): doing is Waits => doing === "parked" || Object.values<Doing>(waits).includes(doing);

/** One row of what is said. It keeps its key from "is thinking", or from "is being sent", to the stored message. */
export interface Line {
  key: string;
  kind: "person" | "agent" | "bot" | "notice";
  id: string | undefined;
  seq: number; // of a line that is not stored: far behind all others
  own: boolean;
  name: string;
  senderId: string; // of the person, the bot or the agent
  agentType: string;
  text: string;
  at: number;
  state: "shown" | "deleted" | "hidden";
  edited: number | undefined; // when
  stopped: boolean;
  truncated: boolean;
  files: File[];
  mentions: Schemas["Mention"][];
  reactions: Reaction[];
  replyTo: Schemas["ReplyTo"] | undefined;
  replies: { count: number; lastSeq: number };
  turn: Turn | undefined;
  waiting: Waiting | undefined;
  notice: Notice | undefined;
}

export type Notice =
  | { kind: "said"; text: string }
  | { kind: "guard"; guard: string; agents: string[]; open: boolean }
  | { kind: "approval"; stepId: string; agent: string; summary: string; state: "pending" | "approved" | "rejected" | "expired"; by: string }
  | { kind: "budget"; state: "empty" | "low"; renews: number | undefined; detail: string }
  | { kind: "archived"; archived: boolean };

const noReplies = { count: 0, lastSeq: 0 };

export function blank(key: string, kind: Line["kind"], seq: number, at: number): Line {
  return {
    key, kind, id: undefined, seq, own: false, name: "", senderId: "", agentType: "", text: "", at, state: "shown", edited: undefined, stopped: false, truncated: false,
    files: [], mentions: [], reactions: [], replyTo: undefined, replies: noReplies, turn: undefined, waiting: undefined, notice: undefined,
  };
}

/** Gives a row of the history the form of a line. */
export function ofHistory(row: LineOut, me: string): Partial<Line> {
  const agent = row.agent_id !== null || row.agent_type !== null;
  return {
    kind: agent ? "agent" : row.sender_kind === "bot" ? "bot" : "person",
    id: row.id,
    seq: row.seq,
    own: !agent && row.sender_id === me,
    name: agent ? row.agent_name || label(row.sender) : row.sender,
    senderId: (agent ? row.agent_id : row.sender_id) ?? row.sender,
    agentType: agent ? (row.agent_type ?? "agent") : "",
    text: row.content,
    at: timeOf(row.created_at),
    state: row.state,
    edited: row.edited_at ? timeOf(row.edited_at) : undefined,
    stopped: row.stopped,
    truncated: row.truncated,
    files: row.files ?? [],
    mentions: row.mentions ?? [],
    reactions: row.reactions ?? [],
    replyTo: row.reply_to,
    replies: row.replies ? { count: row.replies.count, lastSeq: row.replies.last_seq } : noReplies,
  };
}

/** Gives a frame the form of a line. Reactions and replies come in frames of their own. */
export function ofFrame(f: MessageFrame, me: string): Partial<Line> {
  const agent = f.metadata.is_ai || f.agent_id !== undefined;
  const bot = (f.sender_kind ?? f.metadata.sender_kind) === "bot";
  return {
    kind: agent ? "agent" : bot ? "bot" : "person",
    id: f.id,
    seq: f.seq,
    own: !agent && f.metadata.sender_id === me,
    name: agent ? f.agent_name || label(f.sender) : f.sender,
    senderId: (agent ? f.agent_id : f.metadata.sender_id) ?? f.sender,
    agentType: agent ? (f.metadata.agent_type ?? "agent") : "",
    text: f.content ?? "",
    at: timeOf(f.timestamp),
    state: f.state ?? "shown",
    edited: f.edited_at ? timeOf(f.edited_at) : undefined,
    stopped: f.stopped ?? f.metadata.stopped ?? false,
    truncated: f.truncated ?? f.metadata.truncated ?? false,
    files: f.files ?? [],
    mentions: f.mentions ?? [],
    replyTo: f.reply_to,
  };
}

export function timeOf(text: string | undefined | null): number {
  const at = text ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? Date.now() : at;
}

/** The wire says "[Teacher AI]" of agents without a name; the page says Agent itself. */
function label(sender: string): string {
  return sender.replace(/^\[|\]$/g, "").replace(/ AI$/, "") || sender;
}
