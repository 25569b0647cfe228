import { useSession } from "@/account/session";
import { ok, POST, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";
import { i18n } from "@/i18n";
import { server } from "@/place";

/** A link with which a person sets a password, for a sheet to hand out. */
export interface PersonLink {
  id: string;
  name: string;
  login: string;
  url: string; // blank where there is none
  expires: string;
  why: string; // there is none
}

export const linkOf = (l: Schemas["LinkOut"]): { url: string; expires: string } => ({ url: l.url ?? server + l.url_path, expires: l.expires_at });

/** Why a teacher makes no link for somebody: whoever has the link has the account, and with it all that the account may do elsewhere. */
export const onlyAdmin = (): string => i18n.global.t("people.links.onlyAdmin");
const refused = (cause: unknown): boolean => cause instanceof Problem && cause.status === 403 && !useSession().admin;

/**
 * Makes links for people, one after the other. What is refused for one person does not stop
 * the others; the server's wait is kept.
 */
export async function makeLinks(people: { id: string; name: string; login: string }[], words: (cause: unknown) => string, done: (n: number) => void, stopped: () => boolean): Promise<PersonLink[]> {
  const found: PersonLink[] = [];
  for (const person of people) {
    for (let tries = 0; !stopped(); tries++) {
      try {
        const link = await ok(POST("/api/v1/users/{user_id}/password-link", { params: { path: { user_id: person.id } } }));
        found.push({ ...person, ...linkOf(link), why: "" });
      } catch (cause) {
        if (cause instanceof Problem && cause.status === 429 && cause.retryAfter && tries < 5) {
          await new Promise((then) => setTimeout(then, cause.retryAfter! * 1000));
          continue;
        }
        found.push({ ...person, url: "", expires: "", why: refused(cause) ? onlyAdmin() : words(cause) });
      }
      break;
    }
    done(found.length);
  }
  return found;
}
