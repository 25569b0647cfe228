import type { Schemas } from "@/api/client";

export type Prompt = Schemas["PromptOut"];

/** An event of an answer that is heard as it comes; see docs/api.md. */
export type Heard =
  | { type: "start"; turn_id: string | null; prompt?: Prompt | null }
  | { type: "turn"; text: string }
  | { type: "delta"; offset: number; text: string }
  | ({ type: "end" } & Ended)
  | { type: "error"; message?: string; detail?: string; code?: string; status?: number; retry_after?: number };

export interface Ended {
  reply: string;
  truncated: boolean;
  provider: string;
  model: string;
  input_tokens: number | null;
  output_tokens: number | null;
  cost: number | null;
  currency: string | null;
  first_text_ms: number | null;
  ms: number;
}

/** Takes the pieces of a stream of server-sent events and gives the data of those that are complete. */
export function eventReader(): (piece: string) => string[] {
  let rest = "";
  return (piece) => {
    // A piece may end between the two characters of a line's end.
    rest += piece;
    const held = rest.endsWith("\r") ? "\r" : "";
    const blocks = rest.slice(0, rest.length - held.length).replace(/\r\n?/g, "\n").split("\n\n");
    rest = (blocks.pop() ?? "") + held;
    return blocks.map(dataOf).filter((data) => data !== "");
  };
}

function dataOf(block: string): string {
  return block
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).replace(/^ /, ""))
    .join("\n");
}

/** The text after an event; what comes twice is not shown twice. Offsets count UTF-16 code units. */
export function textAfter(text: string, event: Heard): string {
  if (event.type === "turn") return event.text;
  if (event.type === "end") return event.reply;
  if (event.type !== "delta") return text;
  return text.slice(0, event.offset) + event.text;
}
