// What an operator names in the configuration, read with limits: a FIFO would be waited for for ever, a device read until memory ends.
import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** Larger than any configuration, certificate or credential. */
const maxBytes = 1024 * 1024;

/** UTF-8. Throws the file system's error, or one that says that it is no file, or too large. */
export async function readSmallFile(path: string): Promise<string> {
  return (await readSmallBytes(path)).toString("utf8");
}

/** Throws the same. */
export async function readSmallBytes(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (found.isDirectory()) throw new Error("it is a directory");
    if (!found.isFile()) throw new Error("it is no regular file");
    if (found.size > maxBytes) throw new Error(`it has more than ${maxBytes} octets`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}
