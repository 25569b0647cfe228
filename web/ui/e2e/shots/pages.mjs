// Every page and state that is looked at. A shot: who opens which address, what it waits for
// and what it then does; and the state that this is.
export const early = ({ setupLink }) => [
  { page: "setup", path: new URL(setupLink).pathname + new URL(setupLink).search, wait: "form" },
  { page: "setup", state: "without link", path: "/setup", wait: "h1" },
  { page: "sign-in", state: "nobody yet", path: "/sign-in", wait: "h1" },
];

export function pages(w) {
  const { teacher, novice, student, course, rooms, agents } = w;
  const c = `/courses/${course.id}`;
  const r = (room) => `/rooms/${room.id}`;
  const click = (role, name) => (page) => page.getByRole(role, { name }).first().click();
  const signedOut = [
    { page: "sign-in", path: "/sign-in", wait: "form" },
    { page: "join", path: "/join", wait: "form" },
    { page: "reset", state: "wrong link", path: "/reset?token=x", wait: "h1" },
  ];
  const all = [
    { page: "home", as: teacher, path: "/home" },
    { page: "home", state: "student", as: student, path: "/home" },
    { page: "home", state: "first day", as: novice, path: "/home" },
    { page: "courses", as: teacher, path: "/courses" },
    { page: "course new", as: teacher, path: "/courses/new" },
    { page: "course", as: teacher, path: c },
    { page: "course", state: "student", as: student, path: c },
    { page: "people", as: teacher, path: `${c}/people` },
    { page: "invite", as: teacher, path: `${c}/invite` },
    { page: "import", as: teacher, path: `${c}/import` },
    { page: "announcements", as: teacher, path: `${c}/announcements` },
    { page: "course settings", as: teacher, path: `${c}/settings` },
    { page: "account", as: teacher, path: "/account" },
    { page: "preferences", as: teacher, path: "/account/preferences" },
    { page: "keys", as: teacher, path: "/account/keys" },
    { page: "security", as: teacher, path: "/account/security" },
    { page: "agents", as: teacher, path: "/agents" },
    ...["words", "model", "speaks", "tools", "versions", "more"].map((tab) => ({ page: "agent", state: tab, as: teacher, path: `/agents/${agents.socrates.project}/${agents.socrates.id}?tab=${tab}` })),
    { page: "room agents", as: teacher, path: `${r(rooms.group)}/agents` },
    { page: "room agent new", as: teacher, path: `${r(rooms.group)}/agents/new` },
    { page: "room", state: "everything", as: teacher, path: r(rooms.group), wait: "article" },
    { page: "room", state: "everything student", as: student, path: r(rooms.group), wait: "article" },
    { page: "room", state: "panel", as: teacher, path: r(rooms.group), wait: "article", sizes: [390, 1024], open: (page) => page.locator("[aria-controls=room-panel]").click() },
    { page: "room", state: "two thousand", as: student, path: r(rooms.big), wait: "article" },
    { page: "room", state: "thinking", as: teacher, path: r(rooms.third), wait: "article" },
    { page: "room", state: "empty", as: teacher, path: r(rooms.quiet) },
    { page: "room", state: "not there", as: teacher, path: "/rooms/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90" },
    { page: "side list", as: teacher, path: "/home", sizes: [390], open: click("button", /menu|open/i) },
    { page: "palette", as: teacher, path: "/home", wait: "h1", open: (page) => page.keyboard.press("Control+k") },
    { page: "nowhere", as: teacher, path: "/not/here" },
  ];
  return [...signedOut, ...all];
}
