// The manual pages in docs/man say what the tables say (UPDATE_DOCS=1 writes them anew).
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { configPage, simwarddPage, simwardPage } from "../../../agent/cli/man.ts";
import { loadVerbs } from "../../../agent/cli/verbs/table.ts";
import { settingsOf } from "../../../agent/config/describe.ts";
import { need, program } from "../../support/programs.ts";

const pages: Readonly<Record<string, string>> = {
  "docs/man/simward.1": simwardPage(await loadVerbs()),
  "docs/man/simwardd.8": simwarddPage(),
  "docs/man/simward.toml.5": configPage(settingsOf()),
};
const man = program("man");

describe("manual pages", () => {
  for (const [file, made] of Object.entries(pages)) {
    test(`${file} is current`, () => {
      if (process.env.UPDATE_DOCS !== undefined) {
        mkdirSync("docs/man", { recursive: true });
        writeFileSync(file, made);
      }
      expect(existsSync(file)).toBe(true);
      expect(readFileSync(file, "utf8"), "UPDATE_DOCS=1 writes it").toBe(made);
    });

    test(`${file} is roff that man takes without a word of warning`, async (context) => {
      need(context, man);
      const said = await new Promise<string>((resolve) => {
        const child = execFile("man", ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "-"], (_error, _stdout, stderr) =>
          resolve(stderr),
        );
        child.stdin?.end(made);
      });
      expect(said).toBe("");
    });
  }

  test("every unit's man page is one of these", () => {
    const units = ["systemd/simwardd.service"].filter((file) => existsSync(file)).map((file) => readFileSync(file, "utf8"));
    for (const unit of units)
      for (const [, name = "", section = ""] of unit.matchAll(/man:([\w.-]+)\((\d)\)/g))
        expect(pages).toHaveProperty([`docs/man/${name}.${section}`]);
  });
});
