// The units of simward-netd: accepted by systemd, and no more open than its verbs need.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { usualPlaces } from "../../agent/netd/server.ts";
import { need, program } from "../support/programs.ts";

const analyze = program("systemd-analyze");
let root = "";

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "simward-netd-units-"));
  for (const dir of ["etc/systemd/system", "usr/bin"]) mkdirSync(join(root, dir), { recursive: true });
  for (const unit of ["simward-netd.service", "simward-netd.socket"]) cpSync(`systemd/${unit}`, join(root, "etc/systemd/system", unit));
  for (const name of ["simward-netd", "man"]) writeFileSync(join(root, "usr/bin", name), "#!/bin/sh\n", { mode: 0o755 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("simward-netd's units", () => {
  test.for(["simward-netd.service", "simward-netd.socket"])("systemd-analyze verify accepts %s", (unit, context) => {
    const path = need(context, analyze);
    const result = spawnSync(path, ["verify", "--man=no", "--recursive-errors=no", unit, `--root=${root}`], { encoding: "utf8" });
    expect(result.stderr.split("\n").filter((line) => line.includes("simward-netd"))).toEqual([]);
  });

  test("one capability, no new ones, closed devices, and a place for the name servers", () => {
    const unit = readFileSync("systemd/simward-netd.service", "utf8");
    for (const line of ["CapabilityBoundingSet=CAP_NET_ADMIN", "NoNewPrivileges=yes", "DevicePolicy=closed", "ProtectSystem=strict"])
      expect(unit).toContain(`\n${line}\n`);
    const runtime = /^RuntimeDirectory=(\S+)$/m.exec(unit)?.[1];
    expect(usualPlaces.resolv).toBe(`/run/${runtime}/resolv.conf`);
    expect([...unit.matchAll(/^DeviceAllow=(\S+)/gm)].map((match) => match[1])).toEqual([
      "/dev/ppp",
      "char-ttyUSB",
      "char-ttyACM",
      "char-ttyS",
      "char-gpiochip",
    ]);
  });
});
