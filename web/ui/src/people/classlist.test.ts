import { expect, test } from "vitest";
import { classList } from "./classlist";

test("bare names become a list with a header", () => {
  expect(classList("王小明\nAda Lovelace\n\n")).toBe("full_name\n王小明\nAda Lovelace\n");
});

test("a table from a spreadsheet is read by the names of its columns", () => {
  expect(classList("座號\t姓名\t學號\n1\t林美玲\ts1101\n2\t陳\t s1102")).toBe("full_name,username\n林美玲,s1101\n陳,s1102\n");
});

test("a table without a header is guessed from what is in it", () => {
  expect(classList("1;Mia Müller;mia@school.example\n2;Liam;liam@school.example")).toBe("full_name,email\nMia Müller,mia@school.example\nLiam,liam@school.example\n");
});

test("quotes, commas in names and Windows lines stay whole", () => {
  expect(classList('\uFEFFemail,Full Name\r\na@x.example,"Byron, ""Ada"""\r\n')).toBe('email,full_name\na@x.example,"Byron, ""Ada"""\n');
});

test("roles are taken in Chinese too", () => {
  expect(classList("姓名,角色\n王老師,老師\n")).toBe("full_name,role\n王老師,teacher\n");
});

test("nothing makes nothing", () => {
  expect(classList(" \n\n")).toBe("");
});
