// Values that modules keep, of whatever name: read as text without quotes and blanks, so that they can be compared with what is wanted.
import { action, declare, queryWith, quoted, replyError, set, splitFields } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";
import type { Setting } from "../family.ts";

export interface SettingOptions {
  readonly onlyOrder?: boolean;
  readonly timeoutMs?: number;
  /** How many of the values count; the rest is not ours. */
  readonly fields?: number;
}

export interface NamedSettingOptions extends SettingOptions {
  /** What follows the value in a write. */
  readonly tail?: string;
  /** The value is written in quotes. */
  readonly isText?: boolean;
}

/** A setting of the form `AT<name>=<value>`, `AT<name>?`. */
export function setting(name: string, options: SettingOptions = {}): Setting {
  return settingAs(name, `AT${name}?`, `${name}:`, (value) => `AT${name}=${value}`, options);
}

/** A setting whose reading and writing look otherwise. */
export function settingAs(
  name: string,
  readLine: string,
  prefix: string,
  writeLine: (value: string) => string,
  options: SettingOptions = {},
): Setting {
  const { onlyOrder, fields, ...commandOptions } = options;
  return {
    name,
    read: queryWith(name, readLine, prefix, (info) => values(info).slice(0, fields).join(",") || undefined, {
      ...commandOptions,
      reads: true,
    }),
    write: set(name, writeLine, commandOptions),
    ...(onlyOrder === undefined ? {} : { onlyOrder }),
  };
}

/** One of a family of settings under one command: `AT+QCFG="nwscanmode"` answers `+QCFG: "nwscanmode",3`. */
export function namedSetting(command: string, key: string, options: NamedSettingOptions = {}): Setting {
  const { onlyOrder, fields, tail, isText, ...commandOptions } = options;
  const name = `${command}="${key}"`;
  const read: AtCommand<readonly [], string> = declare(command, `AT${name}`, `${command}:`, { ...commandOptions, reads: true }, (reply) => {
    const found = reply.lines.map(values).find(([first]) => first?.toLowerCase() === key.toLowerCase());
    if (found === undefined) throw replyError(command, `it says nothing of ${JSON.stringify(key)}`);
    return found.slice(1, fields === undefined ? undefined : fields + 1).join(",");
  });
  return {
    name,
    read,
    write: set(command, (value: string) => `AT${name},${isText === true ? quoted(value, name) : value}${tail ?? ""}`, commandOptions),
    ...(onlyOrder === undefined ? {} : { onlyOrder }),
  };
}

/** A command of which only its being carried out counts. */
export function order(name: string, line: string, timeoutMs?: number): AtCommand<readonly [], void> {
  return action(name, line, timeoutMs === undefined ? {} : { timeoutMs });
}

function values(info: string): string[] {
  return splitFields(info).map((field) => field?.text ?? "");
}
