import { timeOf, type Notice, type RoomFrame } from "./line";

/** What the room itself says: of the same key there is one, and the last is true. */
export interface Said {
  key: string;
  seq: number | undefined;
  timestamp: string;
  notice: Notice;
}

/** Gives a frame the form of a notice, if it is one. */
export function noticeOf(f: RoomFrame, next: () => number): Said | undefined {
  const said = (key: string | number, notice: Notice): Said => ({ key: `${f.type}:${key}`, seq: "seq" in f ? Number(f.seq) : undefined, timestamp: "timestamp" in f ? (f.timestamp ?? "") : "", notice });
  switch (f.type) {
    case "approval":
      return said(f.step_id, { kind: "approval", stepId: f.step_id, agent: f.agent_name, summary: f.summary ?? f.name, state: f.state, by: f.decided_by ?? "" });
    case "guard":
      return f.state === "stopped" ? said(f.seq, { kind: "guard", guard: f.guard, agents: f.agents ?? [], open: true }) : undefined;
    case "budget":
      return said(f.seq, { kind: "budget", state: f.state, renews: f.renews_at ? timeOf(f.renews_at) : undefined, detail: f.detail ?? "" });
    case "archived":
      return said(f.seq, { kind: "archived", archived: f.archived });
    case "system":
      return f.content ? said("seq" in f ? String(f.seq) : next(), { kind: "said", text: f.content }) : undefined;
  }
  return undefined;
}
