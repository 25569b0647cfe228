import { createRouter, createWebHistory, type RouteRecordRaw } from "vue-router";
import { gate } from "@/account/gate";
import { useSession } from "@/account/session";
import { base } from "@/place";

declare module "vue-router" {
  interface RouteMeta {
    /** A page of its own, without the lists beside it. */
    bare?: boolean;
    /** Who may open the page; "in" for who is signed in, when it is absent. */
    who?: "in" | "out" | "all";
    /** Only for who teaches or administers; the server refuses it to students. */
    staff?: true;
    /** Only for super admins, who alone may see how the installation is. */
    operator?: true;
    /** The key of the page's title. */
    title?: string;
    /** The name of what the page is about says enough: "Group 1", and not "Room · Group 1". */
    named?: boolean;
  }
}

const routes: RouteRecordRaw[] = [
  // Before it was the studio, the page named a room after the #.
  { path: "/", redirect: ({ hash }) => ({ path: /^#(\/rooms\/[\w-]+)$/.exec(hash)?.[1] ?? "/home", hash: "" }) },
  { path: "/home", name: "home", component: () => import("@/home/Home.vue"), meta: { title: "home.title" } },
  { path: "/rooms/:room/:seq(\\d+)?", name: "room", component: () => import("@/room/RoomPage.vue"), meta: { title: "room.title", named: true } },
  { path: "/search", name: "search", component: () => import("@/search/SearchPage.vue"), meta: { title: "search.title" } },
  { path: "/sign-in", name: "sign-in", component: () => import("@/account/SignIn.vue"), meta: { who: "out", title: "signIn.title" } },
  { path: "/join/:code?", name: "join", component: () => import("@/account/Join.vue"), meta: { who: "all", title: "join.title" } },
  { path: "/courses", name: "courses", component: () => import("@/courses/Courses.vue"), meta: { title: "courses.mine" } },
  { path: "/courses/new", name: "new-course", component: () => import("@/courses/NewCourse.vue"), meta: { staff: true, title: "courses.new" } },
  {
    path: "/courses/:course",
    component: () => import("@/courses/CourseFrame.vue"),
    children: [
      { path: "", name: "course", component: () => import("@/courses/CourseHome.vue"), meta: { title: "courses.home" } },
      { path: "people", name: "people", component: () => import("@/people/People.vue"), meta: { title: "people.title" } },
      { path: "invite", name: "invite", component: () => import("@/people/Invite.vue"), meta: { title: "people.invite.title" } },
      { path: "import", name: "import", component: () => import("@/people/ImportList.vue"), meta: { title: "people.import.title" } },
      { path: "announcements", name: "announcements", component: () => import("@/courses/Announcements.vue"), meta: { title: "courses.announcements.title" } },
      { path: "settings", name: "course-settings", component: () => import("@/courses/CourseSettings.vue"), meta: { title: "courses.settings.title" } },
    ],
  },
  {
    path: "/account",
    component: () => import("@/account/AccountFrame.vue"),
    children: [
      { path: "", name: "account", component: () => import("@/account/Profile.vue"), meta: { title: "account.title" } },
      { path: "preferences", name: "preferences", component: () => import("@/account/Preferences.vue"), meta: { title: "account.preferences.title" } },
      { path: "keys", name: "keys", component: () => import("@/account/Keys.vue"), meta: { title: "account.keys.title" } },
      { path: "security", name: "security", component: () => import("@/account/Security.vue"), meta: { title: "account.security.title" } },
    ],
  },
  {
    path: "/installation",
    component: () => import("@/installation/InstallationFrame.vue"),
    meta: { operator: true },
    children: [
      { path: "", name: "installation", component: () => import("@/installation/Doctor.vue"), meta: { title: "installation.title" } },
      { path: "backups", name: "backups", component: () => import("@/installation/Backups.vue"), meta: { title: "installation.backups.title" } },
      { path: "keys", name: "encryption", component: () => import("@/installation/Encryption.vue"), meta: { title: "installation.keys.title" } },
    ],
  },
  { path: "/setup", name: "setup", component: () => import("@/account/SetUp.vue"), meta: { who: "all", title: "setUp.title" } },
  { path: "/welcome/:step(key|course|class)?", name: "welcome", component: () => import("@/welcome/Welcome.vue"), meta: { bare: true, title: "welcome.title" } },
  { path: "/two-factor", name: "must-set-up", component: () => import("@/account/MustSetUp.vue"), meta: { bare: true, title: "twoFactor.title" } },
  { path: "/reset", name: "reset", component: () => import("@/account/Reset.vue"), meta: { who: "all", title: "reset.title" } },
  { path: "/agents", name: "agents", component: () => import("@/agents/List.vue"), meta: { title: "agents.all.title" } },
  { path: "/agents/connect", name: "agent-connect", component: () => import("@/agents/Connect.vue"), meta: { title: "agents.connect.title" } },
  { path: "/agents/:project/:agent", name: "agent", component: () => import("@/agents/Agent.vue"), meta: { title: "agents.page.title" } },
  { path: "/rooms/:room/agents", name: "room-agents", component: () => import("@/agents/RoomAgents.vue"), meta: { title: "agents.here.title" } },
  { path: "/rooms/:room/agents/new", name: "room-agents-new", component: () => import("@/agents/New.vue"), meta: { staff: true, title: "agents.new.title" } },
  { path: "/:nowhere(.*)*", name: "nowhere", component: () => import("@/parts/Nowhere.vue"), meta: { who: "all", title: "nowhere.title" } },
];

export const router = createRouter({
  history: createWebHistory(base),
  routes,
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
});

router.beforeEach((to) => {
  const session = useSession();
  return gate(to, session.signedIn, session.mustSetUp);
});
