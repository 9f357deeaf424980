// simward package load: gives the eUICC a package of an eIM that came by file, octet for octet as it was signed.
import type { PackageLoaded } from "../../api/card-types.ts";
import { exitCodes } from "../exit.ts";
import { needReason, type Verb } from "../verb.ts";

export const packageLoad: Verb = {
  name: "package load",
  summary:
    "give the eUICC an eIM's package from a file (DER, hex or base64), unchanged; its signature is the eUICC's to check; over the admin's socket",
  example: "simward package load package.der --reason 'no coverage, ticket 123'",
  args: [{ name: "input", help: "hex, or a file that holds DER, hex or base64; - for standard input" }],
  timeoutSeconds: 600,
  async run(context, input) {
    const { api, out } = context;
    const reason = needReason(input);
    const { toHexUpper } = await import("../../../base/bytes.ts");
    const { readInput } = await import("./package-decode.ts");
    const body = { package: toHexUpper(await readInput(context, input.args[0] ?? "-")), reason };
    const done = await api("admin").call<PackageLoaded>("POST", "/v1/packages/load", body);
    out.result(done, () => {
      const what = done.error === undefined ? out.paint("green", done.outcome) : `${out.paint("red", done.outcome)} ${done.error}`;
      return `${what}  ${done.octets} octets, SHA-256 ${done.sha256}\nanswer: simward package decode ${done.answer}`;
    });
    return done.outcome === "eimPackageError" ? exitCodes.card : undefined;
  },
};
