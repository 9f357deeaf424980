// simward package decode: any SGP.22 or SGP.32 object as a tree with path, tag, offset, name and value. Needs no daemon.
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { isCode, SimwardError } from "../../../base/errors.ts";
import { exitCodeOf } from "../exit.ts";
import { checkPath, contentOf } from "../given.ts";
import { type CliContext, textOption, type Verb } from "../verb.ts";

export const packageDecode: Verb = {
  name: "package decode",
  summary: "decode any SGP.22 or SGP.32 object by its ASN.1 name; needs no daemon",
  example: "simward package decode --as GetEimPackageResponse BF4F03020101",
  args: [{ name: "input", help: "hex, base64, or a file that holds DER, PEM, hex or base64; - for standard input", optional: true }],
  options: [
    { flags: "--as <type>", help: "its ASN.1 name; guessed from the tag where left out" },
    { flags: "--type <type>", help: "the same" },
    { flags: "--reencode", help: "print the DER of the decoded value instead, in hex" },
    { flags: "--list", help: "the names of all types" },
  ],
  async run(context, input) {
    const { out } = context;
    // The tables of all messages take longer to set up than all else here.
    const { examine, guessTypesOfFaulty, reencode, renderTree } = await import("../../../ipa/asn1/explain.ts");
    const { typeNames } = await import("../../../ipa/messages/registry.ts");
    if (input.options.list === true) {
      const names = typeNames();
      out.result({ schema: "simward/types/1", types: names }, () => names.join("\n"));
      return undefined;
    }
    const given = input.args[0];
    if (given === undefined) throw new SimwardError("USAGE", { detail: "give hex, a file, base64, or - for standard input" });
    const bytes = await readInput(context, given);
    let readAs: string | undefined;
    const type =
      textOption(input, "as") ??
      textOption(input, "type") ??
      guess(bytes, guessTypesOfFaulty(bytes), (names) => {
        readAs = `read as ${names[0]}${names.length > 1 ? `; it could also be ${names.slice(1, 6).join(", ")}` : ""}`;
      });
    const tellGuess = (): void => {
      if (readAs !== undefined) out.hint(readAs);
    };
    if (input.options.reencode === true) {
      const der = toHexUpper(reencode(type, bytes));
      tellGuess();
      if (out.json) out.result({ schema: "simward/reencoded/1", type, der }, () => der);
      else out.raw(der);
      return undefined;
    }
    const { nodes, problem } = examine(type, bytes);
    if (problem === undefined) tellGuess();
    // What was asked to be decoded is shown as it is: masking it would defeat the purpose.
    if (out.json) {
      const { code, message, data } = problem ?? {};
      const wrong = problem === undefined ? {} : { problem: { code, message, path: data?.path, offset: data?.offset } };
      out.raw(JSON.stringify({ schema: "simward/decoded/1", type, octets: bytes.length, nodes, ...wrong }));
    } else if (problem === undefined) out.raw(renderTree(nodes));
    else {
      // A part is no result.
      out.error(problem);
      if (nodes.length > 0) out.hint(`what could be read of it:\n${renderTree(nodes)}`);
    }
    if (problem !== undefined) tellGuess();
    return problem === undefined ? undefined : exitCodeOf(problem.code);
  },
};

function guess(bytes: Uint8Array, names: readonly string[], tell: (names: readonly string[]) => void): string {
  const [first] = names;
  if (first === undefined)
    throw new SimwardError("ASN1_UNKNOWN_TYPE", {
      detail: `no message begins with the tag of ${toHexUpper(bytes.subarray(0, 4))}…; give --as`,
    });
  tell(names);
  return first;
}

/** Shorter ones are names of files, or words. */
const shortestBase64 = 8;

/** Hex, base64, or a file of DER, PEM, hex or base64, or standard input. Throws NOT_FOUND. */
export async function readInput(context: Pick<CliContext, "out" | "signal">, given: string): Promise<Uint8Array> {
  const compact = given.replace(/\s+/g, "");
  if (given !== "-" && /^([0-9a-fA-F]{2})+$/.test(compact)) return fromHex(compact);
  const content =
    given === "-"
      ? await contentOf(context, "-")
      : await readFileOr(context, given, () => (/^[./]/.test(given) ? undefined : fromBase64(compact)));
  if (!Buffer.isBuffer(content)) return content;
  const text = content.toString("latin1").trim();
  const pem = /-----BEGIN [A-Z0-9 ]+-----([\s\S]*?)-----END /.exec(text)?.[1];
  if (pem !== undefined) return new Uint8Array(Buffer.from(pem, "base64"));
  if (/^([0-9a-fA-F]{2}\s*)+$/.test(text)) return fromHex(text.replace(/\s+/g, ""));
  return fromBase64(text.replace(/\s+/g, "")) ?? new Uint8Array(content);
}

function fromBase64(text: string): Uint8Array | undefined {
  if (text.length < shortestBase64 || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  return new Uint8Array(Buffer.from(text, "base64"));
}

async function readFileOr(
  reader: Pick<CliContext, "out" | "signal">,
  path: string,
  otherwise: () => Uint8Array | undefined,
): Promise<Buffer | Uint8Array> {
  try {
    return await contentOf(reader, path);
  } catch (error) {
    if (!isCode(error, "NOT_FOUND")) throw error;
    const found = otherwise();
    if (found !== undefined) return found;
    throw new SimwardError("NOT_FOUND", {
      detail: `${path} is neither hex nor a file that can be read, nor base64`,
      next: checkPath,
      cause: error,
    });
  }
}
