// Directories made with those above them. Not by mkdir's `recursive`: Node 20 spins for ever where the file system says ENOENT below a
// directory that is there, as /proc does.
import { promises } from "node:fs";
import { dirname, resolve } from "node:path";

/** What is needed of the file system. */
export interface DirectoryMaker {
  mkdir(path: string, options: { readonly mode: number }): Promise<unknown>;
  stat(path: string): Promise<{ isDirectory(): boolean }>;
}

/** Answers the topmost directory made, undefined when all were there. Throws the file system's error. */
export async function makeDirectory(path: string, mode: number, fs: DirectoryMaker = promises): Promise<string | undefined> {
  const full = resolve(path);
  let refusal = await tryMake(full, mode, fs);
  let topmost: string | undefined;
  const parent = dirname(full);
  if (codeOf(refusal) === "ENOENT" && parent !== full) {
    topmost = await makeDirectory(parent, mode, fs);
    // Once: ENOENT below a directory that is there is no want of a parent.
    refusal = await tryMake(full, mode, fs);
  }
  if (refusal === undefined) return topmost ?? full;
  // Made by somebody else meanwhile; and a file system that cannot be written refuses what is there as well.
  if (await isDirectory(full, fs)) return topmost;
  throw refusal;
}

async function tryMake(path: string, mode: number, fs: DirectoryMaker): Promise<unknown> {
  try {
    await fs.mkdir(path, { mode });
    return undefined;
  } catch (error) {
    return error ?? new Error("mkdir");
  }
}

async function isDirectory(path: string, fs: DirectoryMaker): Promise<boolean> {
  try {
    return (await fs.stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
