/** The columns that the server reads of a class list. */
export const columns = ["email", "full_name", "username", "role"] as const;
type Column = (typeof columns)[number];

// How schools name them, without blanks, hyphens and case.
const names: Record<string, Column> = {
  email: "email",
  mail: "email",
  emailaddress: "email",
  電子郵件: "email",
  電子信箱: "email",
  信箱: "email",
  fullname: "full_name",
  name: "full_name",
  student: "full_name",
  studentname: "full_name",
  姓名: "full_name",
  名字: "full_name",
  學生姓名: "full_name",
  username: "username",
  user: "username",
  login: "username",
  studentid: "username",
  id: "username",
  帳號: "username",
  使用者名稱: "username",
  學號: "username",
  role: "role",
  角色: "role",
  身分: "role",
};

function columnOf(cell: string): Column | undefined {
  return names[cell.trim().toLowerCase().replace(/[\s_.\-]+/g, "")];
}

/** Splits a table into its cells; of quotes and of blanks, tabs or semicolons as a spreadsheet gives them. */
export function cells(text: string): string[][] {
  const clean = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const first = clean.split("\n", 1)[0] ?? "";
  const between = first.includes("\t") ? "\t" : !first.includes(",") && first.includes(";") ? ";" : ",";
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < clean.length; i++) {
    const c = clean[i]!;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (clean[i + 1] === '"') cell += clean[++i]!;
      else quoted = false;
    } else if (c === '"' && cell.trim() === "") {
      cell = "";
      quoted = true;
    } else if (c === between || c === "\n") {
      row.push(cell.trim());
      cell = "";
      if (c === "\n") {
        rows.push(row);
        row = [];
      }
    } else cell += c;
  }
  row.push(cell.trim());
  rows.push(row);
  return rows.filter((r) => r.some((c) => c !== ""));
}

/**
 * Makes the list that the server reads of what a teacher pastes: of a table with a header in
 * either language, of one without a header, or of bare names. Lines stay in their order.
 */
export function classList(text: string): string {
  const rows = cells(text);
  if (rows.length === 0) return "";
  const width = Math.max(...rows.map((r) => r.length));
  const heads = Array.from({ length: width }, (_, i) => columnOf(rows[0]![i] ?? ""));
  const hasHead = heads.some((h) => h !== undefined);
  const body = hasHead ? rows.slice(1) : rows;
  const used = hasHead ? heads : guess(body, width);
  const keep = used.map((c, i) => ({ c, i })).filter((k): k is { c: Column; i: number } => k.c !== undefined && used.indexOf(k.c) === k.i);
  return [keep.map((k) => k.c), ...body.map((r) => keep.map((k) => quote(k.c === "role" ? roleOf(r[k.i] ?? "") : (r[k.i] ?? ""))))].map((r) => r.join(",")).join("\n") + "\n";
}

function guess(rows: string[][], width: number): (Column | undefined)[] {
  const found: (Column | undefined)[] = [];
  for (let i = 0; i < width; i++) {
    const column = rows.map((r) => r[i] ?? "").filter(Boolean);
    const all = (of: (c: string) => boolean): boolean => column.length > 0 && column.every(of);
    const is: Column | undefined = all((c) => c.includes("@")) ? "email" : all((c) => /\d/.test(c) && /^[\w.-]{4,}$/.test(c)) ? "username" : all((c) => !/^\d*$/.test(c)) ? "full_name" : undefined;
    found.push(is !== undefined && found.includes(is) ? undefined : is);
  }
  return found;
}

const roles: Record<string, string> = { 學生: "student", 助教: "ta", 教師: "teacher", 老師: "teacher", assistant: "ta" };
function roleOf(cell: string): string {
  return roles[cell.toLowerCase()] ?? cell.toLowerCase();
}

function quote(cell: string): string {
  return /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
