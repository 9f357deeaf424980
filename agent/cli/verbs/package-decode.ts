// simward package decode: any SGP.22 or SGP.32 object as a tree with path, tag, offset, name and value. Needs no daemon.
import { readFile } from "node:fs/promises";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { textOption, type Verb } from "../verb.ts";

export const packageDecode: Verb = {
  name: "package decode",
  summary: "decode any SGP.22 or SGP.32 object by its ASN.1 name; needs no daemon",
  example: "simward package decode --type GetEimPackageResponse BF4F03020101",
  args: [{ name: "input", help: "hex, or a file that holds DER, hex or base64; - for standard input", optional: true }],
  options: [
    { flags: "--type <name>", help: "its ASN.1 name; guessed from the tag where left out" },
    { flags: "--reencode", help: "print the DER of the decoded value instead, in hex" },
    { flags: "--list", help: "the names of all types" },
  ],
  async run({ out }, input) {
    // The tables of all messages take longer to set up than all else here.
    const { explain, guessTypes, reencode, renderTree } = await import("../../../ipa/asn1/explain.ts");
    const { typeNames } = await import("../../../ipa/messages/registry.ts");
    if (input.options.list === true) {
      const names = typeNames();
      out.result({ schema: "simward/types/1", types: names }, () => names.join("\n"));
      return undefined;
    }
    const given = input.args[0];
    if (given === undefined) throw new SimwardError("USAGE", { detail: "give hex, a file, or - for standard input" });
    const bytes = await readInput(given);
    const type =
      textOption(input, "type") ??
      guess(bytes, guessTypes(bytes), (names) =>
        out.hint(`read as ${names[0]}${names.length > 1 ? `; it could also be ${names.slice(1, 6).join(", ")}` : ""}`),
      );
    if (input.options.reencode === true) {
      const der = toHexUpper(reencode(type, bytes));
      if (out.json) out.result({ schema: "simward/reencoded/1", type, der }, () => der);
      else out.raw(der);
      return undefined;
    }
    const nodes = explain(type, bytes);
    // What was asked to be decoded is shown as it is: masking it would defeat the purpose.
    if (out.json) out.raw(JSON.stringify({ schema: "simward/decoded/1", type, octets: bytes.length, nodes }));
    else out.raw(renderTree(nodes));
    return undefined;
  },
};

function guess(bytes: Uint8Array, names: readonly string[], tell: (names: readonly string[]) => void): string {
  const [first] = names;
  if (first === undefined)
    throw new SimwardError("ASN1_UNKNOWN_TYPE", {
      detail: `no message begins with the tag of ${toHexUpper(bytes.subarray(0, 4))}…; give --type`,
    });
  tell(names);
  return first;
}

/** Hex, or a file of DER, hex or base64, or standard input. Throws NOT_FOUND. */
export async function readInput(given: string): Promise<Uint8Array> {
  const compact = given.replace(/\s+/g, "");
  if (given !== "-" && /^([0-9a-fA-F]{2})+$/.test(compact)) return fromHex(compact);
  const content = given === "-" ? await readStdin() : await readFileOrFail(given);
  const text = content.toString("latin1").trim();
  if (/^([0-9a-fA-F]{2}\s*)+$/.test(text)) return fromHex(text);
  if (/^[A-Za-z0-9+/\s]+={0,2}$/.test(text) && text.replace(/\s+/g, "").length % 4 === 0)
    return new Uint8Array(Buffer.from(text, "base64"));
  return new Uint8Array(content);
}

async function readFileOrFail(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new SimwardError("NOT_FOUND", { detail: `${path} is neither hex nor a file that can be read`, cause: error });
  }
}

async function readStdin(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
