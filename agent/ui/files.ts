// What the page consists of: its files, by the paths under which they are served. Beside the sources they are in page/, beside the bundle too:
// build.mjs copies the folder as it is.
import { readFile } from "node:fs/promises";

export interface UiFile {
  readonly contentType: string;
  readonly text: string;
}

export type UiFiles = ReadonlyMap<string, UiFile>;

const contentTypes = { html: "text/html; charset=utf-8", css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8" } as const;

const names: Readonly<Record<string, readonly [name: string, kind: keyof typeof contentTypes]>> = {
  "/": ["page.html", "html"],
  "/page.css": ["page.css", "css"],
  ...Object.fromEntries(
    ["nodes", "package", "page", "session", "status", "trail"].map((name) => [`/${name}.js`, [`${name}.js`, "js"] as const]),
  ),
};

/** Of the folder `page/`. Throws what reading a file throws. */
export async function readUiFiles(folder: URL): Promise<UiFiles> {
  const read = async ([path, [name, kind]]: [string, readonly [string, keyof typeof contentTypes]]): Promise<[string, UiFile]> => [
    path,
    { contentType: contentTypes[kind], text: await readFile(new URL(name, folder), "utf8") },
  ];
  return new Map(await Promise.all(Object.entries(names).map(read)));
}
