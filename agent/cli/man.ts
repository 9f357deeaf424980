// The manual pages, made from the same tables as the help: simward(1) from the verbs, simward.toml(5) from the configuration's schema, simwardd(8). Pure.
import type { SettingRow } from "../config/describe.ts";
import { type ExitName, exitCodes, exitMeanings } from "./exit.ts";
import { globalOptions } from "./options.ts";
import { optionsOf, type Verb, type VerbOption } from "./verb.ts";

/** What roff would take for its own. */
const roff = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replace(/^([.'])/gm, "\\&$1")
    .replaceAll("-", "\\-");

const head = (name: string, section: number, summary: string): string =>
  `.\\" Made from tables by test/agent/cli/man.test.ts (UPDATE_DOCS=1).\n.TH ${name.toUpperCase()} ${section} "" simward simward\n.SH NAME\n${name} \\- ${roff(summary)}\n`;
const section = (title: string, ...lines: readonly string[]): string => `.SH ${title}\n${lines.join("\n")}\n`;
const tagged = (tag: string, text: string): string => `.TP\n.B ${roff(tag)}\n${roff(text)}`;
const option = ({ flags, help, default: preset }: VerbOption): string =>
  tagged(flags, preset === undefined ? help : `${help} (${preset} by default)`);
const sentence = (text: string): string => `${text[0]?.toUpperCase() ?? ""}${text.slice(1)}.`;

export function simwardPage(verbs: readonly Verb[]): string {
  const commands = verbs.flatMap((verb) => {
    const args = (verb.args ?? []).map((arg) => (arg.optional === true ? `[${arg.name}]` : `<${arg.name}>`));
    return [
      `.SS ${roff(["simward", verb.name, ...args].join(" "))}`,
      roff(sentence(verb.summary)),
      ...(verb.args ?? []).map((arg) => tagged(arg.name, arg.help)),
      ...optionsOf(verb).map(option),
      ".PP\nExample:\n.PP\n.nf\n.RS",
      roff(verb.example),
      ".RE\n.fi",
    ];
  });
  const codes = Object.entries(exitCodes).map(([name, code]) => tagged(String(code), exitMeanings[name as ExitName]));
  return [
    head("simward", 1, "what the field engineer beside the vehicle sees and does"),
    section("SYNOPSIS", ".B simward\n.I noun verb\n[argument ...] [option ...]"),
    section(
      "DESCRIPTION",
      roff(
        "simward asks simwardd over its local sockets, one for each role. The result goes to standard output, progress and hints go to standard error. Identifiers are " +
          "masked unless --show-ids is given. Options may stand anywhere on the line.",
      ),
    ),
    section("OPTIONS", ...globalOptions.map(option)),
    section("COMMANDS", ...commands),
    section("EXIT STATUS", ...codes),
    section(
      "FILES",
      tagged("/run/simward/viewer.sock, engineer.sock, admin.sock", "the daemon's sockets"),
      tagged("/etc/simward/simward.toml", "the daemon's configuration"),
      tagged("/var/lib/simward", "its state, the audit trail among it"),
    ),
    section("SEE ALSO", ".BR simwardd (8),\n.BR simward.toml (5)"),
  ].join("");
}

export function simwarddPage(): string {
  return [
    head("simwardd", 8, "owns the vehicle's cellular identity"),
    section("SYNOPSIS", ".B simwardd\n[\n.B \\-\\-config\n.I file\n]"),
    section(
      "DESCRIPTION",
      roff(
        "simwardd drives the cellular module, carries out what the fleet's eIM orders on the eUICC (it is an SGP.32 IoT Profile Assistant), and enforces the fleet's " +
          "policies, without a connection too. It has no privileges: what needs them is done by simward-netd, which systemd starts when it is asked. It reads its " +
          "configuration once; systemctl restart simwardd has it read anew. One that is not valid leaves the former one in force, with an alarm.",
      ),
    ),
    section(
      "FILES",
      tagged("/etc/simward/simward.toml", "the configuration; see simward.toml(5)"),
      tagged("/run/simward", "sockets of the local API, one for each role, with its own group each"),
      tagged("/var/lib/simward", "state, audit trail, traces, samples"),
    ),
    section("SIGNALS", tagged("SIGTERM, SIGINT", "ends it; what was under way goes on at the next start")),
    section("SEE ALSO", ".BR simward (1),\n.BR simward.toml (5)"),
  ].join("");
}

export function configPage(settings: readonly SettingRow[]): string {
  const rows = settings.map(({ path, kind, preset }) => tagged(path, preset === undefined ? kind : `${kind}; ${preset} by default`));
  return [
    head("simward.toml", 5, "configuration of simwardd"),
    section(
      "DESCRIPTION",
      roff("TOML. A setting that is not known is an error. A section [a.b] is written a.b here, a list of sections [[a]] is written a[]."),
      roff("simward config validate checks a file, simward config show tells what it comes to."),
    ),
    section("SETTINGS", ...rows),
    section("SEE ALSO", ".BR simwardd (8),\n.BR simward (1)"),
  ].join("");
}
