import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { need, program } from "../support/programs.ts";

const analyze = program("systemd-analyze");
let root = "";

// A root of its own, so that the check needs neither installed files nor rights.
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "simward-units-"));
  mkdirSync(join(root, "etc/systemd/system"), { recursive: true });
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  cpSync("systemd/simwardd.service", join(root, "etc/systemd/system/simwardd.service"));
  for (const name of ["simwardd", "man"]) writeFileSync(join(root, "usr/bin", name), "#!/bin/sh\n", { mode: 0o755 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("systemd", () => {
  test("systemd-analyze verify accepts the unit", (context) => {
    const path = need(context, analyze);
    const result = spawnSync(path, ["verify", "--man=no", "--recursive-errors=no", "simwardd.service", `--root=${root}`], {
      encoding: "utf8",
    });
    const about = result.stderr.split("\n").filter((line) => line.includes("simwardd.service"));
    expect(about).toEqual([]);
    expect(result.status).toBe(0);
  });

  test("systemd-analyze verify refuses a unit with a mistake", (context) => {
    const path = need(context, analyze);
    const bad = readFileSync("systemd/simwardd.service", "utf8")
      .replace("Type=notify", "Type=notfy")
      .replace("ProtectSystem=strict", "ProtectSystm=strict");
    writeFileSync(join(root, "etc/systemd/system/bad.service"), bad);
    const result = spawnSync(path, ["verify", "--man=no", "--recursive-errors=no", "bad.service", `--root=${root}`], {
      encoding: "utf8",
    });
    expect(result.stderr).toContain("bad.service");
  });

  test("the sandbox leaves little exposed", (context) => {
    const path = need(context, analyze);
    const out = execFileSync(path, ["security", "--offline=true", "--threshold=30", `--root=${root}`, "simwardd.service"], {
      encoding: "utf8",
    });
    expect(out).toMatch(/Overall exposure level for simwardd\.service: [0-2]\.\d/);
  });

  test("the unit gives the daemon no privileges and only serial devices", () => {
    const unit = readFileSync("systemd/simwardd.service", "utf8");
    for (const line of [
      "Type=notify",
      "User=simward",
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "CapabilityBoundingSet=",
      "DevicePolicy=closed",
    ])
      expect(unit).toContain(`\n${line}\n`);
    const devices = [...unit.matchAll(/^DeviceAllow=(\S+)/gm)].map((match) => match[1]);
    expect(devices).toEqual(["char-ttyUSB", "char-ttyACM", "char-ttyS", "char-pts"]);
  });
});
