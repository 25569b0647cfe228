import type { Line, RoomFrame } from "./line";
import type { Timeline } from "./timeline";

/** Whether a frame concerns a thread; of answers the root is named only when they begin. */
export function isOfThread(f: RoomFrame, root: string, timeline: Timeline): boolean {
  switch (f.type) {
    case "message":
      return f.reply_to?.id === root || timeline.byId(f.id) !== undefined;
    case "message_edited":
    case "message_deleted":
    case "message_hidden":
    case "message_shown":
    case "reaction":
    case "react":
      return timeline.byId(f.message_id) !== undefined;
    case "turn":
      return f.root_id === root || timeline.turn(f.turn_id) !== undefined;
    case "delta":
    case "workflow":
    case "a2a_trace":
      return timeline.turn(f.turn_id) !== undefined;
    case "joined":
      return true;
  }
  return false;
}

/** What has been written of an answer that began before the thread was opened. */
export function begun(line: Line): RoomFrame {
  const turn = line.turn!;
  return { type: "turn", state: "started", turn_id: turn.id, attempt: turn.attempt, agent_id: turn.agentId, agent_name: line.name, root_id: turn.rootId, text: line.text, offset: 0, timestamp: new Date(line.at).toISOString() } as unknown as RoomFrame;
}
