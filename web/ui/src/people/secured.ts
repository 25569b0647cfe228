import { GET, ok } from "@/api/client";

/** The people of a course who sign in with two factors; only admins may know. */
export async function securedIn(course_id: string): Promise<Set<string>> {
  const found = new Set<string>();
  let after: string | undefined;
  do {
    const page = await ok(GET("/api/v1/admin/users", { params: { query: { course_id, limit: 200, ...(after ? { after } : {}) } } }));
    for (const u of page.users) if (u.two_factor === "on") found.add(u.id);
    after = page.next ?? undefined;
  } while (after);
  return found;
}
