/** What a person is called, and with what they sign in; the address of an account without e-mail is only a placeholder. */
export function realEmail(email: string | null | undefined): string {
  return email && !/@(no-mail|bot)\.invalid$/.test(email) ? email : "";
}

export function nameOf(person: { full_name?: string | null; username?: string | null; email?: string }): string {
  return person.full_name || person.username || realEmail(person.email) || "?";
}

/** Finds by a part of the name, whatever its case, width and accents. */
export function plain(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}
