// The unit of charon: accepted by systemd, no more open than a tunnel needs; and its configuration, where simward-netd and the firewall look for it.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tunnelMark } from "../../agent/netd/ipsec-messages.ts";
import { usualPlaces } from "../../agent/netd/server.ts";
import { need, program } from "../support/programs.ts";

const analyze = program("systemd-analyze");
const unit = readFileSync("systemd/simward-charon.service", "utf8");
const configuration = readFileSync("systemd/strongswan.conf", "utf8");
let root = "";

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "simward-charon-unit-"));
  for (const dir of ["etc/systemd/system", "usr/sbin", "usr/bin", "sbin"]) mkdirSync(join(root, dir), { recursive: true });
  cpSync("systemd/simward-charon.service", join(root, "etc/systemd/system/simward-charon.service"));
  for (const name of ["usr/sbin/charon-systemd", "sbin/ip", "usr/bin/man"]) writeFileSync(join(root, name), "#!/bin/sh\n", { mode: 0o755 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("simward-charon.service", () => {
  test("systemd-analyze verify accepts it", (context) => {
    const path = need(context, analyze);
    const args = ["verify", "--man=no", "--recursive-errors=no", "simward-charon.service", `--root=${root}`];
    const result = spawnSync(path, args, { encoding: "utf8" });
    expect(result.stderr.split("\n").filter((line) => line.includes("simward-charon"))).toEqual([]);
  });

  test("the sandbox leaves little exposed", (context) => {
    const args = ["security", "--offline=true", "--threshold=50", `--root=${root}`, "simward-charon.service"];
    const out = execFileSync(need(context, analyze), args, { encoding: "utf8" });
    expect(out).toMatch(/Overall exposure level for simward-charon\.service: [0-4]\.\d/);
  });

  test("its socket is where simward-netd looks for it, and root's alone", () => {
    const runtime = /^RuntimeDirectory=(\S+)$/m.exec(unit)?.[1];
    expect(dirname(usualPlaces.vici)).toBe(`/run/${runtime}`);
    expect(unit).toContain("\nRuntimeDirectoryMode=0700\n");
    expect(configuration).toContain(`socket = unix://${usualPlaces.vici}\n`);
    expect(configuration).toContain(`file = ${join(dirname(usualPlaces.vici), "resolv.conf")}\n`);
  });

  test("the firewall knows the tunnel's own packets, and they are not led into the tunnel", () => {
    expect(configuration).toMatch(new RegExp(`socket-default \\{[^}]*fwmark = ${tunnelMark}\n`));
    expect(configuration).toMatch(new RegExp(`kernel-netlink \\{[^}]*fwmark = !${tunnelMark}\n`));
    expect(readFileSync("agent/netd/firewall.ts", "utf8")).toContain(tunnelMark);
  });
});
