import { describe, expect, it } from "vitest";
import { grouped, pieces, type Finding } from "./findings";

describe("the findings", () => {
  const found = (check: string, state: Finding["state"]): Finding => ({ check, state, text: check });
  it("are told by how bad they are, in their order", () => {
    const groups = grouped([found("disk", "ok"), found("clock", "fault"), found("queue", "warning"), found("schema", "fault"), found("providers", "skipped")]);
    expect(groups.fault.map((f) => f.check)).toEqual(["clock", "schema"]);
    expect([groups.warning, groups.ok, groups.skipped].map((g) => g.map((f) => f.check))).toEqual([["queue"], ["disk"], ["providers"]]);
  });
});

describe("a text with commands", () => {
  const coded = (text: string): string[] => pieces(text).map((p) => (p.code ? `<${p.text}>` : p.text));
  it("has them in pieces of their own", () => expect(coded("Start `coagent serve`, or `coagent worker`")).toEqual(["Start ", "<coagent serve>", ", or ", "<coagent worker>"]));
  it("may begin with one", () => expect(coded("`coagent keys` helps")).toEqual(["<coagent keys>", " helps"]));
  it("keeps a backtick that is alone", () => expect(coded("use `a` and ` here")).toEqual(["use ", "<a>", " and ` here"]));
  it("may have none", () => expect(coded("All is well")).toEqual(["All is well"]));
});
