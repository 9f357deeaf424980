// What runs here: simward, Node, OpenSSL, the kernel.
import { arch, release, type } from "node:os";
import { version } from "../../base/version.ts";
import type { VersionReport } from "./types.ts";

export const versionReport = (): VersionReport => ({
  schema: "simward/version/1",
  version,
  api: "v1",
  node: process.versions.node,
  openssl: process.versions.openssl,
  kernel: `${type()} ${release()}`,
  arch: arch(),
});
