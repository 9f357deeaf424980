// What a person gives the command line to read, as a file or on standard input: bounded, left at Ctrl-C, and refused in words.
import { open } from "node:fs/promises";
import { reasonOf, SimwardError } from "../../base/errors.ts";
import { type CliContext, textOption, type VerbInput } from "./verb.ts";

/** No package, profile, key ring or token comes near it. */
export const mostGivenBytes = 16 * 1024 * 1024;

export const checkPath = "check the path";

type Reader = Pick<CliContext, "out" | "signal">;

/** Of a file, or of standard input for "-". Throws NOT_FOUND, USAGE, DISK_READ, ABORTED. */
export async function contentOf(reader: Reader, file: string): Promise<Buffer> {
  if (file === "-") return standardInput(reader);
  if (file === "") throw new SimwardError("USAGE", { detail: "the name of the file to be read is empty" });
  try {
    const handle = await open(file);
    try {
      if ((await handle.stat()).isDirectory()) throw new SimwardError("USAGE", { detail: `${file} is a directory: name a file` });
      return await collected(handle.createReadStream({ autoClose: false, signal: reader.signal }), file);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof SimwardError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ABORT_ERR") throw new SimwardError("ABORTED", { cause: error });
    if (code === "ERR_INVALID_ARG_VALUE") throw new SimwardError("USAGE", { detail: `no file has such a name: ${JSON.stringify(file)}` });
    const isMissing = code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG";
    const what = { detail: `${file}: ${reasonOf(error)}`, cause: error };
    throw isMissing ? new SimwardError("NOT_FOUND", { ...what, next: checkPath }) : new SimwardError("DISK_READ", what);
  }
}

/** The same as text. */
export async function textOf(reader: Reader, file: string): Promise<string> {
  return (await contentOf(reader, file)).toString("utf8");
}

/** Beside the file that it signs, unless it is named. Throws USAGE for standard input, which has nothing beside it. */
export function signatureFile(input: VerbInput, file: string): string {
  const named = textOption(input, "signature");
  if (named === undefined && file === "-")
    throw new SimwardError("USAGE", { detail: "of what comes from standard input the --signature is to be named" });
  return named ?? `${file}.sig`;
}

async function standardInput({ out, signal }: Reader): Promise<Buffer> {
  const { stdin } = process;
  if (stdin.isTTY === true) out.hint("reading from the terminal; Ctrl-D behind the last line ends it");
  const leave = (): void => {
    stdin.destroy(new SimwardError("ABORTED"));
  };
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await collected(stdin as AsyncIterable<Buffer>, "standard input");
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

async function collected(chunks: AsyncIterable<Buffer>, name: string): Promise<Buffer> {
  const all: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > mostGivenBytes)
      throw new SimwardError("USAGE", {
        detail: `${name} has more than ${mostGivenBytes / 1024 / 1024} MiB, and is nothing that is read here`,
      });
    all.push(chunk);
  }
  return Buffer.concat(all);
}
