// What a person may type to the module: an AT line taken apart, and the commands that are not for a line typed by hand, each with why. Pure.
import { asSimwardError, SimwardError } from "../../base/errors.ts";

interface Denied {
  readonly pattern: RegExp;
  readonly why: string;
}

const identity = "it rewrites the module's identity (IMEI)";
const channels = "it goes past the one owner of the eUICC; use simward profile, card and package";
const secrets = "it carries a code, which would stand in traces and in the audit trail";
const firmware = "it changes the module's firmware or files";
const framing = "it changes how the module answers, which the driver relies on";
const prompts = "the module would wait for text or data behind it, and the port would hang";

/** The first row that fits a command counts; a command without its AT, in capitals. */
const denied: readonly Denied[] = [
  { pattern: /^\+(EGMR|SIMEI|MODIMEI|WIMEI|TSIMEI|LCTSN|SPIMEI|MEID)\b/, why: identity },
  { pattern: /^[\^*%#$@!_\\]+(IMEI|MIMEI|PHYNUM|CIMEI|SIMEI|LCTSN|DATALOCK|NVIMEI)/, why: identity },
  // Makers name it as they like (*MRD_IMEI, +GTSN, #IMEI): what has IMEI in its name is only read.
  { pattern: /^\W+\w*IMEI\w*=(?!\?$|"?[RD]"?$)/, why: identity },
  { pattern: /^\+GTSN=(?!\?$|0\b)/, why: identity },
  { pattern: /^\+CGSN=(?![0-3]?$|\?$)/, why: identity },
  { pattern: /^[!$]/, why: "commands of this maker write what cannot be undone, identity and radio calibration among it" },
  { pattern: /^\+(CCHO|CCHC|CGLA|CRLA|CSIM|CEUICC)\b/, why: channels },
  { pattern: /^\+CRSM=(?!\s*(176|178|192|242)\b)/, why: `${channels}; +CRSM may only read (176, 178, 192, 242)` },
  { pattern: /^[+#%^_$](QESIM|QEUICC|ESIM|UICCLPA|SLPA|LPA|CESIM|XLPA|SIMLPA|ESIMS|EPROF)/, why: channels },
  {
    pattern: /^[+#%^*](CPIN|CPIN2|EPIN|CPUK|CPWD|CLCK|CGAUTH|UAUTHREQ|QICSGP|CNUM2|PDPAUTH|SGACTAUTH|AUTHDATA|UPSD|XAPNAUTH|CNCFG)=(?!\?$)/,
    why: secrets,
  },
  {
    pattern:
      /^[+#%^*](QFOTA|FOTA|CFOTA|UFWUPD|UFWINSTALL|OTAUP|FWUPD|FWDL|XFOTA|FWSWITCH|USBSWITCH|QDOWNLOAD|CBOOT|QFUPL|QFDEL|QFDWL|QFLST=|UDWNFILE|FSWRITE|FSPUT|CFTRANRX|FDE|SWD|DNS_FW|EXECSCR|ESCRIPT|WSCRIPT|QNVFW|QNVW|NV=|NVW|QEFSWRITE|EFS)/,
    why: firmware,
  },
  { pattern: /^\+(IPR|ICF|IFC|CMUX|CMEE=|CEER=)/, why: framing },
  { pattern: /^(E|V|Q|X|Z|S|&[A-Z])/, why: framing },
  { pattern: /^\+(CMGS|CMGW|CMGC|CNMA|QISENDEX|QISEND|USOWR|CIPSEND)\b/, why: prompts },
  { pattern: /^(D|O|A(?!T))/, why: "the port would become a data or voice line" },
  { pattern: /^\/|^\+\+\+/, why: "it is no command line" },
  {
    pattern: /^\+(CFUN|CPOF|CRESET|QPOWD|CPWROFF)=?(?!\?)|^[#^](REBOOT|SHDN|SMSO|RESET)/,
    why: "use simward modem reset, which waits until the module is ready again",
  },
];

/** The commands of a line, without AT and in capitals outside quotes: `AT+CFUN?;+COPS?` are two. Throws AT_COMMAND. */
export function commandsOf(line: string): readonly string[] {
  const refuse = (why: string): never => {
    throw new SimwardError("AT_COMMAND", { detail: why });
  };
  const text = line.trim();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in it.
  if (/[\u0000-\u001f\u007f-\uffff]/.test(text)) refuse("a line has printable ASCII only, and is one line");
  if (text.length > 400) refuse(`${text.length} characters; 400 at most`);
  if (!/^AT/i.test(text)) refuse("a line begins with AT");
  const found: string[] = [];
  let rest = text.slice(2).trimStart();
  while (rest !== "") {
    const extended = /^[^A-Za-z&/\s;]/.test(rest);
    // An extended command goes on to the next semicolon outside quotes; of basic ones there may be several in a row.
    const [whole = "", command = ""] =
      (extended ? /^((?:"[^"]*"|[^";])+);?/ : /^((?:D.*|S\d+(?:=\d*|\?)?|&?[A-Za-z]\d*|\/));?/i).exec(rest) ?? [];
    if (whole === "") refuse(`${rest}: no command begins so`);
    found.push(command.replace(/"[^"]*"|[^"]+/g, (part) => (part.startsWith('"') ? part : part.toUpperCase().replace(/\s+/g, ""))));
    rest = rest.slice(whole.length).trimStart();
  }
  return found;
}

/** Throws AT_COMMAND for what is no line of one command, AT_DENIED for what is not for it, EMERGENCY_ACTIVE for what does more than read during one. */
export function judgeLine(line: string, emergencySources: readonly string[]): void {
  const commands = commandsOf(line);
  for (const command of commands) {
    const found = denied.find(({ pattern }) => pattern.test(command));
    if (found !== undefined) throw new SimwardError("AT_DENIED", { detail: `AT${nameOf(command)}: ${found.why}` });
    if (emergencySources.length > 0 && !/^\+?[^=]*\?$/.test(command))
      throw new SimwardError("EMERGENCY_ACTIVE", { detail: `AT${nameOf(command)}; only what ends in ? reads and nothing else` });
  }
  // Of what a later command answers, nothing tells it from a URC.
  if (commands.length > 1)
    throw new SimwardError("AT_COMMAND", {
      detail: `${commands.length} commands (${commands.map((one) => `AT${nameOf(one)}`).join(", ")}): give one a line`,
    });
}

/** For the audit trail: what was wanted, without what it was given, which may be a code. Never throws. */
export function refusedLine(line: string): string {
  try {
    return `AT${commandsOf(line)
      .map((command) => (command.includes("=") && !command.endsWith("=?") ? `${nameOf(command)}=…` : command))
      .join(";")}`;
  } catch (error) {
    asSimwardError(error);
    return `${line.length} characters that are no AT line`;
  }
}

/** Without what it is given. */
function nameOf(command: string): string {
  return command.split("=")[0] ?? command;
}
