import type { components } from "./schema";

export type ProblemBody = components["schemas"]["Problem"];
export type ProblemCode = ProblemBody["code"];

/** Says that no answer came: the server or the network is away. */
export const unreachable = "unreachable";

/** An answer that is no success. Its message is in the reader's language. */
export class Problem extends Error {
  override readonly name = "Problem";
  constructor(
    /** The HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly code: ProblemCode | typeof unreachable,
    message: string,
    readonly body?: ProblemBody,
    /** Seconds to wait before another try makes sense. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  get requestId(): string | undefined {
    return this.body?.request_id;
  }

  /** The message about a member of the request's body, such as "password". */
  about(member: string): string | undefined {
    return this.body?.errors?.find((e) => e.field === `body.${member}` || e.field.startsWith(`body.${member}.`))?.message;
  }
}

/** Reads the problem of an answer. A proxy on the way may answer with anything. */
export async function problemOf(response: Response): Promise<Problem> {
  let body: ProblemBody | undefined;
  try {
    body = (await response.json()) as ProblemBody;
  } catch {
    // The status has to do.
  }
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new Problem(
    response.status,
    body?.code ?? "internal",
    body?.message ?? body?.detail ?? `HTTP ${response.status}`,
    body,
    Number.isFinite(seconds) ? seconds : undefined,
  );
}
