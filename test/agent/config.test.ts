import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig, parseConfig } from "../../agent/config/load.ts";
import { configSchema } from "../../agent/config/schema.ts";

const minimal = '[modem]\naddress = "pty:/tmp/modem"\n';

describe("configuration", () => {
  test("the commented example is valid and shows every setting", () => {
    const text = readFileSync("systemd/simward.toml", "utf8");
    const config = parseConfig(text);
    const missing: string[] = [];
    const walk = (schema: unknown, value: unknown, path: string): void => {
      const s = schema as { type: string; wrapped?: unknown; item?: unknown; entries?: Record<string, unknown>; pipe?: unknown[] };
      if (s.wrapped !== undefined) {
        walk(s.wrapped, value, path);
        return;
      }
      if (s.type === "array") {
        // Some example of the list must show each key.
        const merged = Object.assign({}, ...(value as object[]));
        walk(s.item, merged, `${path}[]`);
        return;
      }
      if (s.entries === undefined) return;
      for (const [key, entry] of Object.entries(s.entries)) {
        const item = (value as Record<string, unknown>)[key];
        if (item === undefined || !new RegExp(`(^|\\n)(\\[+[a-z.]*)?${key}(\\b|\\])`).test(text)) missing.push(`${path}.${key}`);
        else walk(entry, item, `${path}.${key}`);
      }
    };
    walk(configSchema, config, "");
    expect(missing).toEqual([]);
  });

  test("the least that is needed is the modem's address; all else has a default", () => {
    const config = parseConfig(minimal);
    expect(config.eim.poll_interval_seconds).toBe(3_600);
    expect(config.paths.state).toBe("/var/lib/simward");
    expect(config.policy.no_way_back).toBe("warn");
    expect(config.apn).toEqual([]);
  });

  const wrong: readonly [string, string, RegExp][] = [
    ["no TOML", "[modem\naddress", /CONFIG_SYNTAX|line 1/],
    ["nothing", "", /modem is missing/],
    ["an unknown section", `${minimal}[modme]\n`, /modme is no setting; did you mean modem\?/],
    ["an unknown key", `${minimal}adress = "x"\n`, /modem\.adress is no setting; did you mean address\?/],
    [
      "an unknown key deep down",
      `${minimal}[[eim.peer]]\neim_id = "a"\ncas = "/x"\n`,
      /eim\.peer\.0\.cas is no setting; did you mean ca\?/,
    ],
    ["a wrong type", `${minimal}[eim]\npoll_interval_seconds = "soon"\n`, /eim\.poll_interval_seconds must be number, not "soon"/],
    ["a number out of range", `${minimal}[eim]\npoll_interval_seconds = 1\n`, /eim\.poll_interval_seconds must be >=10, not 1/],
    ["a relative path", `${minimal}[paths]\nstate = "state"\n`, /paths\.state must be an absolute path/],
    ["a directory whose sockets would have no room", `${minimal}[api]\ndir = "/${"x".repeat(93)}"\n`, /api\.dir must be .* at most 93/],
    ["a bad address", '[modem]\naddress = "ttyUSB2"\n', /modem\.address must be auto, usb:/],
    ["a bad choice", `${minimal}[policy]\nno_way_back = "maybe"\n`, /policy\.no_way_back must be \("warn" \| "refuse"\), not "maybe"/],
    ["something that resembles nothing", `${minimal}[paths]\nhome = "/x"\n`, /paths\.home is no setting; there are state$/m],
    [
      "two APNs for one market",
      `${minimal}${'[[apn]]\nname = "a"\nmcc = "262"\n'.repeat(2)}`,
      /apn has two entries for the same iccid_prefix and mcc/,
    ],
    ["authentication without a user", `${minimal}[[apn]]\nname = "a"\nauth = "pap"\n`, /apn\.0 needs user/],
    ["a user without authentication", `${minimal}[[apn]]\nname = "a"\nuser = "u"\n`, /apn\.0 has user or password_credential/],
    ["one eIM twice", `${minimal}${'[[eim.peer]]\neim_id = "a"\n'.repeat(2)}`, /eim\.peer names an eim_id twice/],
    ["two default APNs", `${minimal}[[apn]]\nname = "a"\n[[apn]]\nname = "b"\n`, /apn has more than one default/],
  ];
  test.each(wrong)("%s is refused with its key and the reason", (_name, text, message) => {
    expect(() => parseConfig(text)).toThrow(message);
  });

  test("every setting is read by some code, or it would not be one", () => {
    const code = sourcesOf("agent")
      .filter((file) => !file.endsWith("config/schema.ts"))
      .map((file) => readFileSync(file, "utf8"))
      .join("\n");
    const unread: string[] = [];
    const walk = (schema: unknown, path: string): void => {
      const s = schema as { wrapped?: unknown; item?: unknown; entries?: Record<string, unknown> };
      const next = s.wrapped ?? s.item;
      if (next !== undefined) walk(next, path);
      else if (s.entries !== undefined) for (const [key, entry] of Object.entries(s.entries)) walk(entry, `${path}.${key}`);
      else if (!new RegExp(`[.{ ]${path.split(".").at(-1)}\\b`).test(code)) unread.push(path);
    };
    walk(configSchema, "");
    expect(unread).toEqual([]);
  });

  test("several mistakes are told at once", () => {
    expect(() => parseConfig('[modem]\naddress = "x"\n[log]\nlevel = "loud"\n[api]\ndir = "run"\n')).toThrow(
      /modem\.address .*api\.dir .*log\.level/,
    );
  });

  test("a file that is not there is named", async () => {
    await expect(loadConfig("/nonexistent/simward.toml")).rejects.toMatchObject({
      code: "CONFIG_READ",
      detail: "/nonexistent/simward.toml: ENOENT: no such file or directory",
    });
  });
});

function sourcesOf(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name));
}
